//! Names, and what is kept of a blob between two runs.

use std::os::unix::fs::PermissionsExt as _;

use haulier_format::foreign::send_blob::{BlobSealer, write_envelope};
use haulier_format::path::check_path;

use super::*;

fn id() -> TransferId {
    "a1b2c3d4e5f6".parse().unwrap()
}

/// A blob of this plaintext, and its key.
fn blob(plaintext: &[u8]) -> (Vec<u8>, LinkKey) {
    let (key, mut sealer) = Ambient::system().with_rng(|mut rng| BlobSealer::generate(&mut rng));
    let mut body = plaintext.to_vec();
    sealer.seal(&mut body).unwrap();
    let iv = *sealer.iv();
    ([&iv[..], &body, &sealer.finish().unwrap()].concat(), key)
}

#[test]
fn a_senders_name_becomes_one_that_leads_nowhere() {
    for (sent, expected) in [
        (None, "a1b2c3d4e5f6"),
        (Some(""), "a1b2c3d4e5f6"),
        (Some("a.txt"), "a.txt"),
        (Some("hé llo \"q\".txt"), "hé llo \"q\".txt"),
        (Some("Meeting 12:30.mov"), "Meeting 12_30.mov"),
        (Some("../../etc/passwd"), ".._.._etc_passwd"),
        (Some("/etc/passwd"), "_etc_passwd"),
        (Some("a\\b"), "a_b"),
    ] {
        let (name, is_renamed) = name_of(sent.map(str::to_owned), id());
        assert_eq!(name, expected);
        assert_eq!(is_renamed, sent.is_some_and(|sent| !sent.is_empty() && sent != name), "{sent:?}");
    }
    for sent in ["..", ".", "nul", "a\u{202e}txt.exe", "x\ny", &"é".repeat(400), "c:", " ", "\0"] {
        let (name, _) = name_of(Some(sent.to_owned()), id());
        assert_eq!(check_path(&name), Ok(()), "{sent:?}");
        assert!(!name.contains('/'), "{sent:?}");
    }
}

#[test]
fn what_is_kept_is_checked_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let envelope = write_envelope("a.bin").unwrap();
    let (bytes, key) = blob(&[&envelope[..], &content].concat());
    let sealed = SealedFile::claim(folder.path(), id()).unwrap();
    assert_eq!(sealed.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(sealed.path(), &bytes).unwrap();
    let (mut opener, found) = sealed.check(bytes.len() as u64, &key, id()).unwrap();
    let expected = Content {
        start: envelope.len() as u64,
        end: (envelope.len() + content.len()) as u64,
        name: "a.bin".into(),
        is_renamed: false,
    };
    assert_eq!(found, expected);
    let mut opened = Vec::new();
    sealed
        .open_all(&mut opener, &found, |offset, bytes| {
            assert_eq!(offset, opened.len() as u64);
            opened.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
    assert!(opened == content);

    // One bit, one byte less, another key.
    let mut damaged = bytes.clone();
    damaged[1_000_000] ^= 1;
    std::fs::write(sealed.path(), &damaged).unwrap();
    assert!(matches!(sealed.check(bytes.len() as u64, &key, id()), Err(Error::WrongKey { .. })));
    std::fs::write(sealed.path(), &bytes).unwrap();
    assert!(matches!(
        sealed.check(bytes.len() as u64, &LinkKey::from_bytes([1; 32]), id()),
        Err(Error::WrongKey { .. })
    ));
    assert!(matches!(sealed.check(bytes.len() as u64 - 1, &key, id()), Err(Error::WrongKey { .. })));
    assert!(matches!(sealed.check(27, &key, id()), Err(Error::Integrity(_))));
}

#[test]
fn what_others_could_write_to_is_not_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".haulier-a1b2c3d4e5f6.blob");
    let other = folder.path().join("other");
    std::fs::write(&other, b"mine").unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    assert_eq!(SealedFile::claim(folder.path(), id()).unwrap().len(), 0, "a link");
    std::fs::remove_file(&path).unwrap();
    std::fs::hard_link(&other, &path).unwrap();
    assert_eq!(SealedFile::claim(folder.path(), id()).unwrap().len(), 0, "another name of a file");
    std::fs::write(&path, b"begun").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(SealedFile::claim(folder.path(), id()).unwrap().len(), 0, "everybody's");
    std::fs::write(&path, b"begun").unwrap();
    assert_eq!(SealedFile::claim(folder.path(), id()).unwrap().len(), 5);
    assert_eq!(std::fs::read(&other).unwrap(), b"mine");
    let held = SealedFile::claim(folder.path(), id()).unwrap();
    assert!(matches!(SealedFile::claim(folder.path(), id()), Err(Error::TargetInUse { .. })));
    drop(held);
}
