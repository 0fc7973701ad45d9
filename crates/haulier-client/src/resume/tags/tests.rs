//! A tag is kept once, and damage to the log is noticed.

use std::os::unix::fs::PermissionsExt;

use super::*;

const STATE: [u8; 32] = [9; 32];

fn tag(byte: u8) -> [u8; TAG_BYTES] {
    [byte; TAG_BYTES]
}

#[tokio::test]
async fn a_recorded_tag_holds_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let log = TagLog::create(&path, 3, STATE).unwrap();
    log.record(2, tag(1)).await.unwrap();
    log.record(2, tag(1)).await.unwrap();
    assert!(matches!(log.record(2, tag(2)).await, Err(TagError::Changed)));
    drop(log);
    let (log, recorded) = TagLog::open(&path, 3, STATE).unwrap();
    assert_eq!(recorded, [false, false, true]);
    log.record(2, tag(1)).await.unwrap();
    assert!(matches!(log.record(2, tag(2)).await, Err(TagError::Changed)));
    log.record(0, tag(3)).await.unwrap();
}

#[tokio::test]
async fn a_tag_of_zeros_counts_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let log = TagLog::create(&dir.path().join("tags"), 1, STATE).unwrap();
    log.record(0, tag(0)).await.unwrap();
    assert!(matches!(log.record(0, tag(1)).await, Err(TagError::Changed)));
}

#[tokio::test]
async fn many_at_once_are_all_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let log = TagLog::create(&path, 200, STATE).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..200_u32 {
        let log = log.clone();
        tasks.spawn(async move { log.record(index, tag(u8::try_from(index).unwrap())).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap().unwrap();
    }
    let file = File::open(&path).unwrap();
    for index in 0..200_u8 {
        assert_eq!(read(&file, u32::from(index), STATE).unwrap(), Some(tag(index)));
    }
}

#[tokio::test]
async fn any_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    TagLog::create(&path, 2, STATE).unwrap().record(1, tag(5)).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(TagLog::open(&path, 2, STATE).unwrap_err().kind(), io::ErrorKind::InvalidData, "bit {bit}");
    }
}

#[tokio::test]
async fn another_state_or_length_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    TagLog::create(&path, 2, STATE).unwrap().record(1, tag(5)).await.unwrap();
    assert!(TagLog::open(&path, 2, [8; 32]).is_err());
    assert!(TagLog::open(&path, 3, STATE).is_err());
    assert!(TagLog::open(&path, 1, STATE).is_err());
    assert!(TagLog::open(&path, 2, STATE).is_ok());
}

#[test]
fn the_log_is_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    TagLog::create(&path, 2, STATE).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(TagLog::create(&path, 2, STATE).is_err(), "an existing log is never begun anew");
}
