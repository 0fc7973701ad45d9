//! A log is one process's, and says nothing about another part than its own.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::tempdir;

use super::*;

const KEY: [u8; 32] = [7; 32];

fn all() -> Vec<Range<u32>> {
    std::iter::once(0..10_000).collect()
}

fn note(log: &ChunkLog, index: u32, content: &[u8]) -> Slot {
    let mut hasher = log.hasher(index);
    hasher.update(content);
    log.note(index, &hasher).unwrap();
    *hasher.finalize().as_bytes()
}

#[test]
fn what_was_noted_is_found_again() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("log");
    let (log, found) = ChunkLog::claim(&path, KEY).unwrap();
    assert_eq!(found, Found::Nothing);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let slots: Vec<_> = [0, 3, 4_095, 4_096, 9_000].map(|index| (index, note(&log, index, b"content"))).into();
    assert_ne!(slots[0].1, slots[1].1, "a slot is its chunk's alone");
    drop(log);
    let (log, found) = ChunkLog::claim(&path, KEY).unwrap();
    assert_eq!(found, Found::Same);
    assert_eq!(log.slots(&all()).unwrap(), slots);
    assert_eq!(log.slots(&[1..4, 4_096..4_097]).unwrap(), [slots[1], slots[3]]);
    log.clear().unwrap();
    assert!(log.slots(&all()).unwrap().is_empty());
}

#[test]
fn a_log_of_something_else_is_begun_anew() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("log");
    note(&ChunkLog::claim(&path, KEY).unwrap().0, 1, b"content");
    let whole = fs::read(&path).unwrap();
    for damage in 0..HEADER_BYTES {
        let mut damaged = whole.clone();
        damaged[damage] ^= 1;
        fs::write(&path, damaged).unwrap();
        let (log, found) = ChunkLog::claim(&path, KEY).unwrap();
        assert_eq!(found, Found::Unusable, "byte {damage}");
        assert!(log.slots(&all()).unwrap().is_empty());
    }
    for len in [1, 47] {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(ChunkLog::claim(&path, KEY).unwrap().1, Found::Unusable, "{len} bytes");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(ChunkLog::claim(&path, [8; 32]).unwrap().1, Found::Unusable, "another key");
    assert_eq!(ChunkLog::claim(&path, [8; 32]).unwrap().1, Found::Same);
}

#[test]
fn one_process_at_a_time() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("log");
    let held = ChunkLog::claim(&path, KEY).unwrap();
    assert!(matches!(ChunkLog::claim(&path, KEY), Err(Error::TargetInUse { .. })));
    held.0.remove().unwrap();
    let anew = ChunkLog::claim(&path, KEY).unwrap();
    assert_eq!(anew.1, Found::Nothing, "the name is free again, whoever still holds the old file");
    drop(held);
    assert!(matches!(ChunkLog::claim(&path, KEY), Err(Error::TargetInUse { .. })));
}

#[test]
fn a_planted_link_is_removed_and_what_it_points_to_stays() {
    let dir = tempdir().unwrap();
    let (path, victim) = (dir.path().join("log"), dir.path().join("victim"));
    fs::write(&victim, b"old").unwrap();
    symlink(&victim, &path).unwrap();
    assert_eq!(ChunkLog::claim(&path, KEY).unwrap().1, Found::Unusable);
    assert!(path.symlink_metadata().unwrap().is_file());
    fs::remove_file(&path).unwrap();
    fs::hard_link(&victim, &path).unwrap();
    assert_eq!(ChunkLog::claim(&path, KEY).unwrap().1, Found::Unusable);
    assert_eq!(fs::read(&victim).unwrap(), b"old");
}
