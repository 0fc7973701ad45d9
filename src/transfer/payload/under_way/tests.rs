//! Uploads of one transfer count together, and nothing stays of those that have ended.

use super::*;

fn id(digits: &str) -> TransferId {
    digits.parse().expect("an id")
}

#[test]
fn uploads_of_one_transfer_count_together_until_they_end() {
    let all = Arc::new(UnderWay::default());
    let (mut first, mut second) = (all.begin(id("aaaaaaaaaaaa")), all.begin(id("aaaaaaaaaaaa")));
    let mut other = all.begin(id("bbbbbbbbbbbb"));
    assert_eq!((first.set(10), second.set(5), other.set(7)), (10, 15, 7));
    assert_eq!(second.set(3), 13, "it counts for what it has, not for what it had");
    drop(first);
    assert_eq!(second.set(4), 4);
    assert_eq!(second.set(u64::MAX), u64::MAX);
    drop((second, other));
    assert!(all.lock().is_empty());
}

#[test]
fn what_has_no_length_is_counted_in_steps() {
    let all = Arc::new(UnderWay::default());
    let mut share = all.begin(id("aaaaaaaaaaaa"));
    assert!(!share.is_outgrown_by(SMALLEST_STEP - 1) && share.is_outgrown_by(SMALLEST_STEP));
    share.set(100 << 20);
    assert!(!share.is_outgrown_by((125 << 20) - 1) && share.is_outgrown_by(125 << 20));
    share.set(1 << 40);
    assert!(share.is_outgrown_by((1 << 40) + LARGEST_STEP));
}
