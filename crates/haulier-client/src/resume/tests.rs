//! The local state: found again, held by one process, never used when damaged.

use std::os::unix::fs::PermissionsExt;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use haulier_format::{FileEntry, KeyMode, Metadata, token_hash};
use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount};
use tempfile::{TempDir, tempdir};

use super::*;

fn input() -> Fingerprint {
    Fingerprint { size: 100_000, digest: "5".repeat(64) }
}

fn request() -> Request {
    Request {
        server: "https://send.example.org".into(),
        paths: vec![Base64Url(b"/home/\xff".to_vec())],
        given_names: vec![Base64Url(b"\xff".to_vec())],
        tar: false,
        leave_out: false,
        name: None,
        message: Some("hello".into()),
        mode: KeyMode::Link.into(),
        chunk_size: None,
        lifetime_seconds: Some(60),
        max_downloads: None,
    }
}

fn new_state() -> (State, WriteKeys) {
    let mut rng = UnwrapErr(SysRng);
    let keys = WriteKeys::generate(&mut rng, KeyMode::Link, None).unwrap();
    let file = FileEntry { path: "a".into(), size: 100_000, offset: 0, content_type: "text/plain".into(), mtime: None };
    let metadata = Metadata {
        name: "a".into(),
        content_type: "text/plain".into(),
        file_size: 100_000,
        chunk_size: 65_536,
        total_chunks: 2,
        iv_prefix: *keys.prefix().as_bytes(),
        files: vec![file],
        message: None,
    };
    let create = CreateRequest {
        transfer_id: Some(*keys.transfer_id()),
        total_chunks: ChunkCount::new(2).unwrap(),
        chunk_size: ByteLen::new(65_536).unwrap(),
        file_size: ByteLen::new(100_000).unwrap(),
        encryption: Encryption::v1(IvStrategy::PrefixCounter),
        sealed_metadata: Some(Base64Url(keys.seal_metadata(&metadata, &mut rng).unwrap())),
        key_check: Some(Base64Url(keys.key_check().as_bytes().to_vec())),
        kdf: None,
        expires_in_seconds: None,
        expires_at: None,
        max_downloads: None,
        owner_token_hash: Some(token_hash(keys.owner_token().as_str())),
        download_token_hash: Some(token_hash(keys.download_token().as_str())),
    };
    (State { request: request(), input: input(), name: "a".into(), files: 1, create, keys: keys.save() }, keys)
}

fn begun(dir: &TempDir) -> (Store, Upload) {
    let store = Store::open(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
    let (state, keys) = new_state();
    let upload = store.create(state, keys).unwrap();
    (store, upload)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn an_upload_goes_on_with_the_same_keys_request_and_tags() {
    let dir = tempdir().unwrap();
    let (store, upload) = begun(&dir);
    upload.tags.record(1, [7; 16]).await.unwrap();
    let (id, create) = (*upload.keys.transfer_id(), upload.state.create.clone());
    let link = upload.keys.link("https://send.example.org").unwrap();
    drop(upload);
    let Found::Upload(again) = store.find(&request(), &input()).unwrap() else { panic!("not found") };
    assert_eq!(*again.keys.transfer_id(), id);
    assert_eq!(again.state.create, create);
    assert_eq!(again.keys.link("https://send.example.org").unwrap(), link);
    assert_eq!(again.recorded, Some(vec![false, true]));
    assert!(matches!(again.tags.record(1, [8; 16]).await, Err(TagError::Changed)));
    again.discard();
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Nothing));
    assert_eq!(fs::read_dir(dir.path().join("uploads")).unwrap().count(), 0);
}

#[test]
fn only_the_same_request_goes_on() {
    let dir = tempdir().unwrap();
    let (store, upload) = begun(&dir);
    drop(upload);
    let other = |change: fn(&mut Request)| {
        let mut other = request();
        change(&mut other);
        matches!(store.find(&other, &input()).unwrap(), Found::Nothing)
    };
    assert!(other(|request| request.server.push('x')));
    assert!(other(|request| request.paths[0].0.push(0)));
    assert!(other(|request| request.given_names[0].0.push(0)));
    assert!(other(|request| request.name = Some("b".into())));
    assert!(other(|request| request.message = None));
    assert!(other(|request| request.mode = KeyMode::Passphrase.into()));
    assert!(other(|request| request.chunk_size = Some(65_536)));
    assert!(other(|request| request.lifetime_seconds = None));
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Upload(_)));
}

#[test]
fn a_changed_input_is_noticed() {
    for changed in [Fingerprint { digest: "6".repeat(64), ..input() }, Fingerprint { size: 100_001, ..input() }] {
        let dir = tempdir().unwrap();
        let (store, upload) = begun(&dir);
        drop(upload);
        assert!(matches!(store.find(&request(), &changed).unwrap(), Found::InputChanged(_)));
    }
}

#[test]
fn one_upload_is_one_process() {
    let dir = tempdir().unwrap();
    let (store, upload) = begun(&dir);
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::InUse));
    drop(upload);
    let Found::Upload(_held) = store.find(&request(), &input()).unwrap() else { panic!("not found") };
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::InUse));
}

#[test]
fn any_damage_to_the_state_is_noticed_and_ends_it() {
    let (state, _) = new_state();
    let (text, _) = state.encode();
    for place in (0..text.len()).step_by(7).chain(text.len() - 70..text.len()) {
        let mut damaged = text.to_vec();
        damaged[place] ^= 1;
        assert!(State::decode(&damaged).is_none(), "byte {place}");
    }
    for len in [0, 1, 65, 66, 67, text.len() - 1] {
        assert!(State::decode(&text[..len]).is_none(), "{len} bytes");
    }
    let dir = tempdir().unwrap();
    let (store, upload) = begun(&dir);
    let path = upload.folder.join(STATE);
    drop(upload);
    fs::write(&path, b"{}").unwrap();
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Unusable));
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Nothing));
}

#[test]
fn missing_or_foreign_tags_end_it() {
    for change in [
        (|path: &Path| fs::remove_file(path).unwrap()) as fn(&Path),
        |path| fs::write(path, [1; 64]).unwrap(),
        |path| fs::write(path, [0; 32]).unwrap(),
    ] {
        let dir = tempdir().unwrap();
        let (store, upload) = begun(&dir);
        let path = upload.folder.join(TAGS);
        drop(upload);
        change(&path);
        assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Unusable));
    }
}

#[test]
fn the_state_is_the_owners_alone() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("state/haulier");
    let store = Store::open(&root, Timestamp::UNIX_EPOCH).unwrap();
    let (state, keys) = new_state();
    let upload = store.create(state, keys).unwrap();
    let owner_token = Zeroizing::new(upload.keys.owner_token().as_str().to_owned());
    let transfer_id = *upload.keys.transfer_id();
    for folder in [&root, &root.join("uploads"), &root.join("sent"), &upload.folder] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for name in [LOCK, STATE, TAGS] {
        assert_eq!(mode(&upload.folder.join(name)), 0o600, "{name}");
    }
    let time = Timestamp::UNIX_EPOCH;
    let record = SentRecord {
        v: SentAs::Chunks.version(),
        sent_as: SentAs::Chunks,
        transfer_id,
        server: "https://send.example.org".into(),
        owner_token,
        name: "a".into(),
        file_size: 1,
        sent_at: time,
        completed_at: time,
        expires_at: Some(time),
        max_downloads: Some(0),
    };
    store.record(&record).unwrap();
    store.record(&record).unwrap();
    let path = root.join("sent").join(format!("{transfer_id}.json"));
    assert_eq!(mode(&path), 0o600);
    let read: SentRecord = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(read.owner_token, record.owner_token);
    assert_eq!(fs::read_dir(root.join("sent")).unwrap().count(), 1);
}

#[test]
fn a_copy_under_another_name_is_not_gone_on_with() {
    let dir = tempdir().unwrap();
    let (store, upload) = begun(&dir);
    let copy = dir.path().join("uploads").join("f".repeat(32));
    fs::create_dir(&copy).unwrap();
    for name in [LOCK, STATE, TAGS] {
        fs::copy(upload.folder.join(name), copy.join(name)).unwrap();
    }
    // The original is held, and its copy must not be taken for another upload.
    assert!(!matches!(store.find(&request(), &input()).unwrap(), Found::Upload(_)));
    assert!(!copy.join(STATE).exists(), "the copy is gone");
    drop(upload);
    assert!(matches!(store.find(&request(), &input()).unwrap(), Found::Upload(_)));
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let dir = tempdir().unwrap();
    drop(Store::open(dir.path(), Timestamp::UNIX_EPOCH).unwrap());
    fs::set_permissions(dir.path().join("uploads"), fs::Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(Store::open(dir.path(), Timestamp::UNIX_EPOCH), Err(Error::State { .. })));
}

#[test]
fn the_machines_key_stays_the_same_and_is_the_owners_alone() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("state");
    let path = root.join("machine-key");
    assert_eq!(*machine_key(&root, &[1; 32]).unwrap(), [1; 32]);
    assert_eq!((mode(&path), *machine_key(&root, &[2; 32]).unwrap()), (0o600, [1; 32]));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(*machine_key(&root, &[3; 32]).unwrap(), [3; 32], "others may have read it");
    fs::write(&path, "short").unwrap();
    assert_eq!(*machine_key(&root, &[4; 32]).unwrap(), [4; 32]);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(machine_key(&root, &[5; 32]).is_err());
}

#[test]
fn what_nobody_can_go_on_with_is_removed_and_nothing_else() {
    let dir = tempdir().unwrap();
    let uploads = dir.path().join("uploads");
    let store = Store::open(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
    let keep = |stream: bool| {
        let (mut state, keys) = new_state();
        if stream {
            state.request.paths.clear();
        }
        store.create(state, keys).unwrap()
    };
    let abandoned = |upload: Upload| upload.folder.clone();
    let (unfinished, stream, running) = (abandoned(keep(false)), abandoned(keep(true)), keep(true));
    let staged = uploads.join(".0123456789abcdef0123456789abcdef");
    fs::create_dir(&staged).unwrap();
    fs::write(staged.join(LOCK), "").unwrap();
    fs::write(staged.join(TAGS), "").unwrap();
    let at = |days: i64| {
        Timestamp::try_from(uploads.metadata().unwrap().modified().unwrap()).unwrap()
            + jiff::SignedDuration::from_hours(24 * days)
    };

    drop(Store::open(dir.path(), at(0)).unwrap());
    assert!(unfinished.exists() && staged.exists(), "both may go on");
    assert!(!stream.exists(), "its input is gone with its process");
    assert!(running.folder.exists(), "a stream whose process lives");
    drop(Store::open(dir.path(), at(1)).unwrap());
    assert!(!staged.exists() && unfinished.exists());
    drop(Store::open(dir.path(), at(59)).unwrap());
    assert!(unfinished.exists());
    drop(Store::open(dir.path(), at(61)).unwrap());
    assert!(!unfinished.exists(), "the server has forgotten it long ago");
    assert!(running.folder.exists(), "held, however old");
}
