//! Liveness and expiry at their edges.

use haulier_wire::{ChunkLayout, TransferId, TransferKind};

use super::*;
use crate::metadata::Shape;

const DAY: u64 = 24 * 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn len(value: u64) -> ByteLen {
    ByteLen::new(value).expect("in range")
}

fn limits() -> Limits {
    Limits {
        max_file_bytes: 1 << 40,
        max_total_chunks: 1000,
        default_expiry: Duration::from_secs(7 * DAY),
        max_expiry: Duration::from_secs(30 * DAY),
        upload_expiry: Duration::from_secs(7 * DAY),
        client_timeout: Duration::from_secs(30),
        sweep_grace: Duration::from_secs(3600),
        leases: LeaseTimes::default(),
        min_expiry: Duration::from_secs(1),
        create: Create::Open,
        quotas: Quotas::default(),
        client_rate: None,
        token_rate: None,
    }
}

fn row(state: StoredState, upload_expires_at: i64, expiry: Expiry) -> Transfer {
    Transfer {
        id: TransferId::from_random_bytes([1; 16]),
        kind: TransferKind::Full,
        state,
        create_digest: [0; 32],
        shape: Shape::Chunks(ChunkLayout::new(len(1), 65_536).expect("a layout")),
        stored_chunks: 0,
        stored_bytes: 0,
        key_check: None,
        kdf_salt: None,
        owner_token_hash: None,
        download_token_hash: None,
        max_downloads: 0,
        download_count: 0,
        held: 0,
        abandoned_bytes: 0,
        created_at: at(0),
        upload_expires_at: at(upload_expires_at),
        expiry,
        completed_at: None,
        is_swept: false,
    }
}

#[test]
fn a_row_means_something_else_once_its_time_has_come() {
    use StoredState as State;
    let later = Expiry::AfterComplete(1000);
    // state, upload_expires_at, expiry, the moment in question, what the row means then
    let cases = [
        (State::Pending, 100, later, 99, Liveness::Pending),
        (State::Pending, 100, later, 100, Liveness::Expired),
        (State::Pending, 100, Expiry::At(at(50)), 49, Liveness::Pending),
        (State::Pending, 100, Expiry::At(at(50)), 50, Liveness::Expired),
        (State::Pending, 100, Expiry::At(at(200)), 150, Liveness::Expired),
        (State::Completed, 100, Expiry::At(at(200)), 150, Liveness::Completed),
        (State::Completed, 100, Expiry::At(at(200)), 199, Liveness::Completed),
        (State::Completed, 100, Expiry::At(at(200)), 200, Liveness::Expired),
        (State::Exhausted, 100, Expiry::At(at(200)), 199, Liveness::Exhausted),
        (State::Exhausted, 100, Expiry::At(at(200)), 200, Liveness::Expired),
        (State::Deleted, 100, Expiry::At(at(200)), 50, Liveness::Deleted),
        (State::Deleted, 100, Expiry::At(at(200)), 300, Liveness::Deleted),
    ];
    for (state, upload, expiry, now, expected) in cases {
        assert_eq!(liveness(&row(state, upload, expiry), at(now)), expected, "{state:?} {upload} {expiry:?} {now}");
    }
}

#[test]
fn what_was_swept_never_comes_back() {
    use StoredState as State;
    let table = [
        (State::Pending, Liveness::Expired),
        (State::Completed, Liveness::Expired),
        (State::Exhausted, Liveness::Exhausted),
        (State::Deleted, Liveness::Deleted),
    ];
    for (state, expected) in table {
        let swept = Transfer { is_swept: true, ..row(state, 100, Expiry::At(at(200))) };
        assert_eq!(liveness(&swept, at(50)), expected, "{state:?}");
    }
}

#[test]
fn every_event_leads_from_every_state_to_one_or_to_none() {
    use Event::{Complete, Delete, Expire, SpendLast};
    use Liveness::{Completed, Deleted, Exhausted, Expired, Pending};
    let events = [Complete, SpendLast, Delete, Expire];
    let table = [
        (Pending, [Some(Completed), None, Some(Deleted), Some(Expired)]),
        (Completed, [None, Some(Exhausted), Some(Deleted), Some(Expired)]),
        (Exhausted, [None, None, Some(Deleted), Some(Expired)]),
        (Expired, [None, None, Some(Deleted), None]),
        (Deleted, [None, None, None, None]),
    ];
    for (from, expected) in table {
        assert_eq!(events.map(|event| next(from, event)), expected, "{from:?}");
    }
    assert_eq!(TRANSITIONS.len(), table.iter().flat_map(|(_, to)| to).flatten().count(), "each once");
}

#[test]
fn a_lifetime_counts_from_complete_and_a_moment_does_not() {
    assert_eq!(expires_at(Expiry::AfterComplete(5_000), at(100)), at(105));
    assert_eq!(expires_at(Expiry::AfterComplete(-1), at(100)), at(100), "a damaged row ends at once");
    assert_eq!(expires_at(Expiry::At(at(7)), at(100)), at(7));
}

#[test]
fn time_does_not_overflow() {
    assert_eq!(after(at(1), Duration::from_secs(2)), at(3));
    assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
    assert_eq!(after(at(0), Duration::MAX), Timestamp::MAX);
}

#[test]
fn a_lifetime_is_from_one_second_to_the_longest() {
    let asked = |seconds| requested_expiry(&limits(), Some(len(seconds)), None, at(1000));
    for seconds in [1, 60, 30 * DAY] {
        let milliseconds = i64::try_from(seconds * 1000).expect("fits");
        assert_eq!(asked(seconds).expect("accepted"), Some(Expiry::AfterComplete(milliseconds)));
    }
    for seconds in [0, 30 * DAY + 1, ByteLen::MAX.get()] {
        assert!(matches!(asked(seconds), Err(TransferError::Limit(_))), "{seconds}");
    }
}

#[test]
fn a_moment_lies_ahead_and_not_too_far() {
    let now = 1000;
    let last = now + i64::try_from(30 * DAY).expect("fits");
    let asked = |moment| requested_expiry(&limits(), None, Some(moment), at(now));
    for second in [now + 1, last] {
        assert_eq!(asked(at(second)).expect("accepted"), Some(Expiry::At(at(second))));
    }
    for moment in [at(0), at(now - 1), at(now), at(last + 1), Timestamp::MAX, Timestamp::MIN] {
        assert!(matches!(asked(moment), Err(TransferError::Limit(_))), "{moment}");
    }
    let fine = Timestamp::from_nanosecond(2_000_123_999_999).expect("in range");
    assert_eq!(asked(fine).expect("accepted"), Some(Expiry::At(Timestamp::from_millisecond(2_000_123).expect("ms"))));
    assert_eq!(requested_expiry(&limits(), None, None, at(now)).expect("nothing is asked for"), None);
}
