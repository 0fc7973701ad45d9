//! What is over stays over: bytes that were charged for nothing, and transfers whose blobs are gone.

use std::time::Duration;

use super::lease::{CHARGED, SPENT, charge, counts, key, limited, take};
use super::*;
use crate::metadata::{Ended, LeaseTimes};

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    what_did_not_leave_is_taken_off(&open().await).await;
    what_was_swept_takes_nothing(&open().await).await;
    an_end_that_has_come_is_not_moved(&open().await).await;
    a_count_that_meets_a_limit_can_be_the_last(&open().await).await;
    a_lease_ends_at_once_and_not_after_a_while(&open().await).await;
    clocks_that_differ_a_little_end_no_lease(&open().await).await;
    a_place_is_released_ahead_of_its_lease(&open().await).await;
}

async fn what_did_not_leave_is_taken_off(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    take(store, &key(1, 1), 30).await;
    let charged = async || store.lease(&key(1, 1)).await.expect("read").expect("there").charged_bytes;
    assert_eq!(charge(store, &key(1, 1), 300, 30).await, CHARGED);
    store.refund_lease(&key(1, 1), 250).await.expect("taken off");
    assert_eq!(charged().await, 50);
    assert_eq!(charge(store, &key(1, 1), 350, 30).await, SPENT);
    store.refund_lease(&key(1, 1), 350).await.expect("taken off");
    assert_eq!((charged().await, counts(store, 1).await.1), (50, 1), "spent stays spent");
    assert_eq!(charge(store, &key(1, 1), 750, 30).await, CHARGED, "once");
    assert_eq!(charge(store, &key(1, 1), 1, 30).await, crate::metadata::Charged::UsedUp);
    store.refund_lease(&key(1, 1), 9000).await.expect("taken off");
    assert_eq!(charged().await, 0, "never less than nothing");
    store.refund_lease(&key(1, 2), 10).await.expect("there is no such lease");
}

/// Some server's clock was ahead, and what it swept would be alive by the others': it is over for good.
async fn what_was_swept_takes_nothing(store: &dyn MetadataStore) {
    create(store, 1).await;
    for chunk in 0..3 {
        store_chunk(store, 1, chunk, 10).await;
    }
    record_one(store, record(1, 3, 9, Step::Reserve, 10)).await;
    limited(store, 2, 5).await;
    create(store, 3).await;
    for chunk in 0..4 {
        store_chunk(store, 3, chunk, 10).await;
    }
    for number in 1..=3 {
        store.swept(id(number)).await.expect("swept");
        let moment = Expiry::At(at(5000));
        assert!(!store.set_expiry(id(number), moment, at(30)).await.expect("answered"), "{number}: its end");
        assert!(!store.set_max_downloads(id(number), 9).await.expect("answered"), "{number}: its limit");
    }
    for step in [Step::Reserve, Step::Store] {
        assert_eq!(record_one(store, record(1, 3, 9, step, 30)).await, Recorded::Closed, "{step:?}");
        assert_eq!(record_one(store, record(2, 0, 9, step, 30)).await, Recorded::Closed, "{step:?}");
    }
    assert_eq!(store.set_sealed_metadata(id(1), &[1; 30]).await.expect("refused"), SetOnce::Conflict);
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), None);
    assert!(
        !store.complete(id(3), at(30), ASKED, at(530)).await.expect("answered"),
        "nothing is there to be completed"
    );
    assert!(matches!(take(store, &key(2, 1), 30).await, crate::metadata::Taken::Refused(row) if row.is_swept));
}

async fn an_end_that_has_come_is_not_moved(store: &dyn MetadataStore) {
    completed(store, 1).await; // ends at 520
    let moment = Expiry::At(at(9000));
    assert!(!store.set_expiry(id(1), moment, at(520)).await.expect("answered"));
    create(store, 2).await; // the upload ends at 1000
    assert!(!store.set_expiry(id(2), moment, at(1000)).await.expect("answered"));
    assert!(store.set_expiry(id(2), Expiry::At(at(700)), at(600)).await.expect("set"));
    assert!(!store.set_expiry(id(2), moment, at(700)).await.expect("answered"));
    assert!(store.set_expiry(id(1), moment, at(519)).await.expect("set"));
    assert_eq!((transfer(store, 1).await.expiry, transfer(store, 2).await.expiry), (moment, Expiry::At(at(700))));
}

/// A read without a limit began, and the owner sets one before it is counted.
async fn a_count_that_meets_a_limit_can_be_the_last(store: &dyn MetadataStore) {
    limited(store, 1, 2).await;
    store.count_download(id(1)).await.expect("counted");
    assert_eq!(counts(store, 1).await, (1, 1, 0, StoredState::Completed));
    store.count_download(id(1)).await.expect("counted");
    assert_eq!(counts(store, 1).await, (2, 2, 0, StoredState::Exhausted));
    limited(store, 2, 1).await;
    store.delete(id(2), at(30)).await.expect("deleted");
    store.count_download(id(2)).await.expect("counted");
    assert_eq!(counts(store, 2).await.3, StoredState::Deleted, "nothing leads back");
}

/// What has expired is kept for a while. Whoever had the last lease is gone when it has ended: dry run and sweep agree.
async fn a_lease_ends_at_once_and_not_after_a_while(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    take(store, &key(1, 1), 30).await;
    assert_eq!(charge(store, &key(1, 1), 400, 30).await, SPENT); // to 130
    for (now, expected) in [(129, 0), (130, 1)] {
        let kept_for_a_while = at(now - 1000);
        let listed = store.unswept(kept_for_a_while, at(now), None, 10).await.expect("listed");
        let claimed = store.claim_sweep(kept_for_a_while, at(now), at(now), 10).await.expect("claimed");
        assert_eq!((listed.len(), claimed.len()), (expected, expected), "{now}");
    }
}

/// The longest and the idle time are the same, and the server that took the lease is a little ahead.
async fn clocks_that_differ_a_little_end_no_lease(store: &dyn MetadataStore) {
    let idle = Duration::from_millis(300);
    let times = LeaseTimes { idle, longest: idle, unused: Duration::from_millis(20) };
    limited(store, 1, 1).await;
    store.take_lease(&key(1, 1), 400, at(40), times).await.expect("answered");
    assert_eq!(store.charge_lease(&key(1, 1), 10, at(40), times).await.expect("answered"), CHARGED);
    assert_eq!(store.charge_lease(&key(1, 1), 10, at(30), times).await.expect("answered"), CHARGED);
    assert!(store.with_lapsed_leases(at(30), times, 10).await.expect("listed").is_empty());
}

async fn a_place_is_released_ahead_of_its_lease(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    let released = async |token: u8| store.release_place(&key(1, token)).await.expect("answered");
    for (token, abandoned, expected) in [(1, 300, Ended::GivenBack), (2, 200, Ended::Burnt)] {
        take(store, &key(1, token), 30).await;
        assert_eq!(charge(store, &key(1, token), 300, 30).await, CHARGED);
        assert_eq!(released(token).await, expected);
        assert_eq!(released(token).await, Ended::Spent, "once");
        assert_eq!(counts(store, 1).await.2, abandoned);
        assert_eq!(charge(store, &key(1, token), 1, 31).await, CHARGED, "it serves on");
    }
    assert_eq!(counts(store, 1).await, (1, 1, 200, StoredState::Exhausted));
    assert!(claim(store, 31, 31, 0, 10).await.is_empty(), "both may still read");
    assert_eq!(store.end_lease(&key(1, 1), false).await.expect("ended"), Ended::Spent);
    assert!(claim(store, 31, 31, 0, 10).await.is_empty(), "one may");
    let lapsed = store.end_lapsed_leases(id(1), at(131), lease::TIMES, 10).await.expect("ended");
    assert_eq!((lapsed.ended, lapsed.is_burnt), (1, false));
    assert_eq!(counts(store, 1).await, (1, 1, 200, StoredState::Exhausted), "its place was counted once");
    assert_eq!(claim(store, 131, 131, 0, 10).await, [id(1)]);
    assert_eq!(released(9).await, Ended::Unknown);
}
