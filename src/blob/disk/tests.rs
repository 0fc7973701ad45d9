//! The local disk keeps the contract, and what is particular to it.

use super::super::contract;
use super::*;
use crate::entropy::SystemEntropy;

fn staging(root: &Path) -> usize {
    fs::read_dir(root.join("staging")).expect("a folder").count()
}

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    contract::run(&store).await;
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let first = DiskStore::open(folder.path()).expect("opens");
    let error = DiskStore::open(folder.path()).expect_err("locked").to_string();
    assert!(error.contains("another process uses"), "{error}");
    drop(first);
    DiskStore::open(folder.path()).expect("opens once the first is gone");
}

#[tokio::test]
async fn staging_is_emptied_at_start_and_after_every_blob() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let key = BlobKey::Meta(TransferId::from_random_bytes([1; 16]));
    let store = DiskStore::open(folder.path()).expect("opens");
    store.put(key, Bytes::from_static(b"{}")).await.expect("put");
    assert_eq!(staging(folder.path()), 0);
    let staged = store.stage(key, Expected::Exactly(1)).await.expect("staged");
    assert_eq!(staging(folder.path()), 1);
    // As kill -9 leaves it: nothing runs that could clean up.
    std::mem::forget(staged);
    drop(store);
    DiskStore::open(folder.path()).expect("opens");
    assert_eq!(staging(folder.path()), 0);
    assert!(folder.path().join("transfers").join(key.transfer_id().as_str()).join("meta.json").exists());
}

#[tokio::test]
async fn beside_a_server_nothing_is_locked_or_emptied() {
    let folder = tempfile::TempDir::new().expect("a folder");
    DiskStore::open_beside(folder.path(), &SystemEntropy).expect_err("no server was ever here");
    let server = DiskStore::open(folder.path()).expect("opens");
    let key = BlobKey::Meta(TransferId::from_random_bytes([1; 16]));
    let staged = server.stage(key, Expected::Exactly(1)).await.expect("staged");
    let beside = DiskStore::open_beside(folder.path(), &SystemEntropy).expect("opens beside it");
    assert_eq!(staging(folder.path()), 1);
    beside.put(key, Bytes::from_static(b"{}")).await.expect("names of staged files never meet");
    assert_eq!(server.len(key).await.expect("answered"), Some(2));
    drop(staged);
}

/// In containers each of them is process 1.
#[tokio::test]
async fn commands_with_the_same_process_id_never_meet_in_staging() {
    let folder = tempfile::TempDir::new().expect("a folder");
    drop(DiskStore::open(folder.path()).expect("opens"));
    let key = BlobKey::Meta(TransferId::from_random_bytes([1; 16]));
    let beside = || DiskStore::open_beside(folder.path(), &SystemEntropy).expect("opens beside it");
    let (killed, next) = (beside(), beside());
    std::mem::forget(killed.stage(key, Expected::Exactly(1)).await.expect("staged"));
    next.put(key, Bytes::from_static(b"{}")).await.expect("put");
}

#[tokio::test]
async fn what_a_killed_command_left_goes_after_a_while_and_nothing_else() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let server = DiskStore::open(folder.path()).expect("opens");
    let beside = DiskStore::open_beside(folder.path(), &SystemEntropy).expect("opens beside it");
    let key = BlobKey::Meta(TransferId::from_random_bytes([1; 16]));
    let of_server = server.stage(key, Expected::Exactly(1)).await.expect("staged");
    std::mem::forget(beside.stage(key, Expected::Exactly(1)).await.expect("staged"));
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for entry in fs::read_dir(folder.path().join("staging")).expect("a folder") {
        let file = File::options().write(true).open(entry.expect("an entry").path()).expect("opens");
        file.set_modified(long_ago).expect("set");
    }
    let under_way = beside.stage(key, Expected::Exactly(1)).await.expect("staged");
    let at = |seconds| Timestamp::from_second(seconds).expect("in range");
    assert_eq!(server.remove_abandoned(at(1_700_000_000)).await.expect("looked"), 0, "not older than that");
    assert_eq!(server.remove_abandoned(at(1_700_000_001)).await.expect("removed"), 1);
    assert_eq!(staging(folder.path()), 2, "what is under way stays");
    drop((of_server, under_way));
}

#[tokio::test]
async fn what_is_none_of_ours_is_listed_under_a_name_that_is_no_key() {
    use futures::TryStreamExt as _;
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    let id = TransferId::from_random_bytes([1; 16]);
    let transfers = folder.path().join("transfers");
    fs::write(transfers.join(TransferId::from_random_bytes([2; 16]).as_str()), "a file").expect("written");
    fs::create_dir_all(transfers.join(id.as_str()).join("chunks").join("3")).expect("made");
    for name in ["notes.txt", "chunks/4.bak", "meta.json~"] {
        fs::write(transfers.join(id.as_str()).join(name), "x").expect("written");
    }
    let names: Vec<String> = store.transfers().try_collect().await.expect("listed");
    assert_eq!(names.iter().filter(|name| name.parse::<TransferId>().is_ok()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(names.len(), 2);
    let mut found: Vec<Listed> = store.blobs_of(id).try_collect().await.expect("listed");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<&str> = found.iter().map(|listed| listed.name.as_str()).collect();
    assert_eq!(found, ["chunks/3/", "chunks/4.bak", "meta.json~", "notes.txt"]);
    assert!(found.iter().all(|name| BlobKey::from_name(id, name).is_none()));
}

#[tokio::test]
async fn a_dropped_blob_leaves_no_file() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    let mut staged = store
        .stage(BlobKey::Meta(TransferId::from_random_bytes([1; 16])), Expected::AtMost(1 << 20))
        .await
        .expect("staged");
    staged.write(Bytes::from(vec![1; 1 << 20])).await.expect("written");
    drop(staged);
    // The removal runs on the blocking pool.
    for _ in 0..200 {
        if staging(folder.path()) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the file stayed");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_the_file_is_made_leaves_none() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    let mut went_early = 0;
    for _ in 0..200 {
        let mut caller =
            Box::pin(store.stage(BlobKey::Meta(TransferId::from_random_bytes([1; 16])), Expected::Exactly(1)));
        // The file is made on another thread, mostly after this one poll.
        went_early += u32::from(futures::poll!(&mut caller).is_pending());
        drop(caller);
    }
    assert!(went_early > 0, "nobody went away in time");
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if staging(folder.path()) == 0 {
            return;
        }
    }
    panic!("{} files stayed", staging(folder.path()));
}

#[test]
fn folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::TempDir::new().expect("a folder");
    let root = folder.path().join("deep").join("root");
    create_folder(&root).expect("made");
    assert_eq!(fs::metadata(&root).expect("there").permissions().mode() & 0o777, 0o700);
}
