//! Places, leases, charges, and what becomes of them.

use std::future::Future;
use std::time::Duration;

use haulier_wire::TokenHash;

use super::*;
use crate::metadata::{Charged, Committed, Ended, LeaseKey, LeaseTimes, Taken};

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_place_is_taken_once_by_a_token(&open().await).await;
    racing_readers_get_as_many_places_as_there_are(&open().await).await;
    only_what_can_be_read_has_places(&open().await).await;
    a_lease_is_spent_by_commit_or_by_the_payload(&open().await).await;
    a_lease_reads_twice_the_payload_and_no_more(&open().await).await;
    an_unspent_place_comes_back(&open().await).await;
    what_is_abandoned_adds_up_to_places(&open().await).await;
    leases_lapse(&open().await).await;
    many_that_lapse_end_a_few_at_a_time(&open().await).await;
    a_clock_that_was_ahead_holds_no_place(&open().await).await;
    a_lease_is_good_for_one_transfer(&open().await).await;
    a_limit_changes_at_any_time(&open().await).await;
    an_exhausted_transfer_is_swept_after_its_last_lease(&open().await).await;
    states_change_as_the_table_says(open).await;
}

pub(super) const PAYLOAD: u64 = 400;
pub(super) const TIMES: LeaseTimes = LeaseTimes {
    unused: Duration::from_millis(20),
    idle: Duration::from_millis(100),
    longest: Duration::from_millis(300),
};

pub(super) fn key(number: u8, token: u8) -> LeaseKey {
    LeaseKey { transfer_id: id(number), token_hash: TokenHash::from_digest(&[token; 32]) }
}

/// Completed at 20, ends at 520, with four chunks of 100 bytes.
pub(super) async fn limited(store: &dyn MetadataStore, number: u8, max_downloads: u64) {
    completed(store, number).await;
    assert!(store.set_max_downloads(id(number), max_downloads).await.expect("limited"));
}

pub(super) async fn take(store: &dyn MetadataStore, key: &LeaseKey, now: i64) -> Taken {
    store.take_lease(key, PAYLOAD, at(now), TIMES).await.expect("answered")
}

pub(super) async fn charge(store: &dyn MetadataStore, key: &LeaseKey, bytes: u64, now: i64) -> Charged {
    store.charge_lease(key, bytes, at(now), TIMES).await.expect("answered")
}

/// held, spent, abandoned bytes, state
pub(super) async fn counts(store: &dyn MetadataStore, number: u8) -> (u64, u64, u64, StoredState) {
    let row = transfer(store, number).await;
    (row.held, row.download_count, row.abandoned_bytes, row.state)
}

pub(super) const CHARGED: Charged = Charged::Charged { spends: false };
pub(super) const SPENT: Charged = Charged::Charged { spends: true };
use StoredState::{Completed, Exhausted};

async fn a_place_is_taken_once_by_a_token(store: &dyn MetadataStore) {
    limited(store, 1, 2).await;
    let Taken::New(first) = take(store, &key(1, 1), 30).await else { panic!("a place") };
    assert_eq!((first.payload_bytes, first.charged_bytes, first.is_spent), (PAYLOAD, 0, false));
    assert_eq!((first.started_at, first.ends_at), (at(30), at(50)));
    let Taken::Same(again) = take(store, &key(1, 1), 40).await else { panic!("the same lease") };
    assert_eq!(again, first);
    assert_eq!(store.lease(&key(1, 1)).await.expect("read"), Some(first));
    assert_eq!(store.lease(&key(1, 2)).await.expect("read"), None);
    assert_eq!(counts(store, 1).await, (1, 0, 0, Completed));
    assert!(matches!(take(store, &key(1, 2), 30).await, Taken::New(_)));
    let Taken::Refused(row) = take(store, &key(1, 3), 30).await else { panic!("no place is left") };
    assert_eq!((row.held, row.state), (2, Completed));
    assert!(matches!(take(store, &key(9, 1), 30).await, Taken::NotFound));
}

async fn racing_readers_get_as_many_places_as_there_are(store: &dyn MetadataStore) {
    for (number, places) in [(1, 1), (2, 5)] {
        limited(store, number, places).await;
        let takes = futures::future::join_all((0..64).map(|token| {
            let key = key(number, token);
            async move { take(store, &key, 30).await }
        }));
        let taken = takes.await.into_iter().filter(|taken| matches!(taken, Taken::New(_))).count();
        assert_eq!(taken as u64, places);
        assert_eq!(counts(store, number).await, (places, 0, 0, Completed));
    }
    // The same token many times at once is one lease.
    limited(store, 3, 64).await;
    let one = key(3, 1);
    let takes = futures::future::join_all((0..32).map(|_| take(store, &one, 30))).await;
    assert_eq!(takes.iter().filter(|taken| matches!(taken, Taken::New(_))).count(), 1);
    assert_eq!(counts(store, 3).await, (1, 0, 0, Completed));
}

async fn only_what_can_be_read_has_places(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert!(store.set_max_downloads(id(1), 5).await.expect("set"));
    assert!(matches!(take(store, &key(1, 1), 30).await, Taken::Refused(_)), "pending");
    completed(store, 2).await;
    assert!(matches!(take(store, &key(2, 1), 30).await, Taken::Refused(_)), "without a limit");
    assert_eq!(charge(store, &key(2, 1), 10, 30).await, Charged::Free);
    let committed = store.commit_lease(&key(2, 1), at(30), TIMES).await.expect("answered");
    assert_eq!(committed, Committed::Free);
    limited(store, 3, 5).await;
    assert!(matches!(take(store, &key(3, 1), 519).await, Taken::New(_)));
    assert!(matches!(take(store, &key(3, 2), 520).await, Taken::Refused(_)), "expired");
    store.delete(id(3), at(30)).await.expect("deleted");
    assert!(matches!(take(store, &key(3, 2), 30).await, Taken::Refused(_)), "deleted");
}

async fn a_lease_is_spent_by_commit_or_by_the_payload(store: &dyn MetadataStore) {
    limited(store, 1, 3).await;
    take(store, &key(1, 1), 30).await;
    assert_eq!(store.commit_lease(&key(1, 1), at(31), TIMES).await.expect("spent"), Committed::New);
    assert_eq!(store.commit_lease(&key(1, 1), at(31), TIMES).await.expect("spent"), Committed::Same);
    assert_eq!(counts(store, 1).await, (1, 1, 0, Completed));
    assert_eq!(store.end_lease(&key(1, 1), true).await.expect("ended"), Ended::Spent);
    assert!(store.lease(&key(1, 1)).await.expect("read").is_some(), "it serves on");

    take(store, &key(1, 2), 30).await;
    for _ in 0..3 {
        assert_eq!(charge(store, &key(1, 2), 100, 31).await, CHARGED);
    }
    assert_eq!(charge(store, &key(1, 2), 99, 31).await, CHARGED, "one byte short");
    assert_eq!(counts(store, 1).await, (2, 1, 0, Completed));
    assert_eq!(charge(store, &key(1, 2), 1, 31).await, SPENT);
    assert_eq!(charge(store, &key(1, 2), 1, 31).await, CHARGED, "once");
    assert_eq!(store.commit_lease(&key(1, 2), at(31), TIMES).await.expect("spent"), Committed::Same);
    assert_eq!(counts(store, 1).await, (2, 2, 0, Completed));

    take(store, &key(1, 3), 30).await;
    assert_eq!(store.commit_lease(&key(1, 3), at(31), TIMES).await.expect("spent"), Committed::New);
    assert_eq!(counts(store, 1).await, (3, 3, 0, Exhausted), "that was the last");
    assert!(matches!(take(store, &key(1, 3), 32).await, Taken::Same(_)), "whoever has a lease keeps it");
    let Taken::Refused(row) = take(store, &key(1, 4), 32).await else { panic!("no place is left") };
    assert_eq!(row.state, Exhausted);
    assert_eq!(store.end_lease(&key(1, 3), false).await.expect("ended"), Ended::Spent);
    assert_eq!(store.commit_lease(&key(1, 3), at(32), TIMES).await.expect("answered"), Committed::Ended);
    assert_eq!(counts(store, 1).await, (3, 3, 0, Exhausted), "a spent place stays spent");
}

async fn a_lease_reads_twice_the_payload_and_no_more(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    take(store, &key(1, 1), 30).await;
    assert_eq!(charge(store, &key(1, 1), 400, 31).await, SPENT);
    assert_eq!(charge(store, &key(1, 1), 400, 31).await, CHARGED);
    assert_eq!(charge(store, &key(1, 1), 1, 31).await, Charged::UsedUp);
    assert_eq!(charge(store, &key(1, 1), 0, 31).await, CHARGED, "nothing more leaves");
}

async fn an_unspent_place_comes_back(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    for (token, charged) in [(1, 0), (2, 150)] {
        assert!(matches!(take(store, &key(1, token), 30).await, Taken::New(_)));
        assert_eq!(charge(store, &key(1, token), charged, 30).await, CHARGED);
        assert_eq!(store.end_lease(&key(1, token), true).await.expect("ended"), Ended::GivenBack);
        assert_eq!(store.end_lease(&key(1, token), true).await.expect("answered"), Ended::Unknown, "once");
        assert_eq!(counts(store, 1).await, (0, 0, charged, Completed));
    }
    assert_eq!(charge(store, &key(1, 2), 1, 30).await, Charged::Ended);
    assert_eq!(store.commit_lease(&key(1, 2), at(30), TIMES).await.expect("answered"), Committed::Ended);
}

async fn what_is_abandoned_adds_up_to_places(store: &dyn MetadataStore) {
    limited(store, 1, 2).await;
    // Three of four chunks, again and again: the lease loop.
    let mut outcomes = Vec::new();
    for token in 0..4 {
        if !matches!(take(store, &key(1, token), 30).await, Taken::New(_)) {
            break;
        }
        assert_eq!(charge(store, &key(1, token), 300, 30).await, CHARGED);
        outcomes.push(store.end_lease(&key(1, token), true).await.expect("ended"));
    }
    assert_eq!(outcomes, [Ended::GivenBack, Ended::Burnt, Ended::Burnt]);
    assert!(store.lease(&key(1, 0)).await.expect("read").is_none(), "given back");
    let kept = store.lease(&key(1, 1)).await.expect("read").expect("its place was paid for");
    assert!(kept.is_spent);
    assert_eq!(store.end_lease(&key(1, 1), false).await.expect("ended"), Ended::Spent);
    assert_eq!(counts(store, 1).await, (2, 2, 100, Exhausted), "900 bytes are two payloads and 100");
}

async fn leases_lapse(store: &dyn MetadataStore) {
    limited(store, 1, 4).await;
    take(store, &key(1, 1), 30).await; // never charged: to 50
    take(store, &key(1, 2), 30).await;
    assert_eq!(charge(store, &key(1, 2), 10, 49).await, CHARGED); // to 149
    take(store, &key(1, 3), 30).await;
    assert_eq!(charge(store, &key(1, 3), 400, 40).await, SPENT); // to 140
    let lapsed = async |now: i64| store.with_lapsed_leases(at(now), TIMES, 10).await.expect("listed");
    assert!(lapsed(49).await.is_empty());
    assert_eq!(lapsed(50).await, [id(1)]);
    assert!(!end_lapsed(store, 50).await, "nothing is burnt");
    assert_eq!(counts(store, 1).await, (2, 1, 0, Completed));
    assert!(lapsed(50).await.is_empty());
    assert_eq!(charge(store, &key(1, 2), 10, 149).await, Charged::Ended, "lapsed, whether or not its row is there");
    assert_eq!(store.commit_lease(&key(1, 2), at(149), TIMES).await.expect("answered"), Committed::Ended);
    assert!(!end_lapsed(store, 149).await);
    assert_eq!(counts(store, 1).await, (1, 1, 10, Completed), "the spent one stays spent");

    // A byte now and then, and it ends all the same.
    take(store, &key(1, 4), 150).await;
    for now in [169, 260, 350, 449] {
        assert_eq!(charge(store, &key(1, 4), 10, now).await, CHARGED);
    }
    assert_eq!(charge(store, &key(1, 4), 10, 450).await, Charged::Ended);
    take(store, &key(1, 5), 450).await;
    assert_eq!(charge(store, &key(1, 5), 399, 450).await, CHARGED);
    assert!(end_lapsed(store, 551).await, "40 and 399 are more than a payload");
    assert_eq!(counts(store, 1).await, (2, 2, 49, Completed));
}

/// Ends all of transfer 1; whether any place was burnt.
async fn end_lapsed(store: &dyn MetadataStore, now: i64) -> bool {
    store.end_lapsed_leases(id(1), at(now), TIMES, 1000).await.expect("ended").is_burnt
}

async fn many_that_lapse_end_a_few_at_a_time(store: &dyn MetadataStore) {
    limited(store, 1, 200).await;
    // Unused, in the middle, and spent.
    for token in 0..120 {
        take(store, &key(1, token), 30).await;
    }
    for token in 100..120 {
        let (bytes, charged) = if token < 110 { (150, CHARGED) } else { (400, SPENT) };
        assert_eq!(charge(store, &key(1, token), bytes, 30).await, charged);
    }
    let mut ended = Vec::new();
    let mut burnt = 0;
    for held in [80, 40, 0] {
        let lapsed = store.end_lapsed_leases(id(1), at(500), TIMES, 40).await.expect("ended");
        ended.push(lapsed.ended);
        burnt += u32::from(lapsed.is_burnt);
        let (now_held, spent, abandoned, _) = counts(store, 1).await;
        assert!(now_held <= held + 13, "{now_held} places are held");
        assert!(abandoned < PAYLOAD && spent <= 13, "{abandoned} {spent}");
    }
    assert_eq!(ended, [40, 40, 40]);
    assert!(burnt > 0);
    // Ten spent ones; ten times 150 are three payloads and 300.
    assert_eq!(counts(store, 1).await, (13, 13, 300, Completed));
    let none = store.end_lapsed_leases(id(1), at(500), TIMES, 40).await.expect("ended");
    assert_eq!((none.ended, none.is_burnt), (0, false));
}

async fn a_clock_that_was_ahead_holds_no_place(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    assert!(store.set_expiry(id(1), Expiry::At(at(1_000_000)), at(30)).await.expect("set"));
    assert!(matches!(take(store, &key(1, 1), 500_000).await, Taken::New(_)));
    assert_eq!(charge(store, &key(1, 1), 10, 100).await, Charged::Ended, "it cannot have begun");
    assert_eq!(store.with_lapsed_leases(at(100), TIMES, 10).await.expect("listed"), [id(1)]);
    end_lapsed(store, 100).await;
    assert!(matches!(take(store, &key(1, 2), 100).await, Taken::New(_)), "nobody waits for the future");
    assert_eq!(charge(store, &key(1, 2), 10, 90).await, CHARGED, "a step back is no end");
}

async fn a_lease_is_good_for_one_transfer(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    limited(store, 2, 1).await;
    take(store, &key(1, 1), 30).await;
    assert_eq!(charge(store, &key(2, 1), 10, 30).await, Charged::Ended);
    assert_eq!(store.commit_lease(&key(2, 1), at(30), TIMES).await.expect("answered"), Committed::Ended);
    assert_eq!(store.end_lease(&key(2, 1), true).await.expect("answered"), Ended::Unknown);
    assert!(
        matches!(take(store, &key(2, 1), 30).await, Taken::New(_)),
        "the same token takes a place of its own there"
    );
    assert_eq!((counts(store, 1).await.0, counts(store, 2).await.0), (1, 1));
}

async fn a_limit_changes_at_any_time(store: &dyn MetadataStore) {
    completed(store, 1).await;
    for _ in 0..2 {
        store.count_download(id(1)).await.expect("counted");
    }
    assert!(store.set_max_downloads(id(1), 4).await.expect("set"));
    assert_eq!(counts(store, 1).await, (2, 2, 0, Completed), "what was counted before counts");
    take(store, &key(1, 1), 30).await;
    take(store, &key(1, 2), 30).await;
    assert!(matches!(take(store, &key(1, 3), 30).await, Taken::Refused(_)));
    assert!(store.set_max_downloads(id(1), 3).await.expect("set"), "fewer than are held");
    assert_eq!(store.end_lease(&key(1, 2), true).await.expect("ended"), Ended::GivenBack);
    assert!(matches!(take(store, &key(1, 3), 30).await, Taken::Refused(_)), "three are held");
    assert!(store.set_max_downloads(id(1), 0).await.expect("set"));
    assert_eq!(counts(store, 1).await, (2, 2, 0, Completed), "without a limit nobody holds a place");
    assert_eq!(charge(store, &key(1, 1), 10, 30).await, Charged::Free);
    assert!(store.set_max_downloads(id(1), 2).await.expect("set"));
    assert_eq!(counts(store, 1).await, (2, 2, 0, Exhausted), "lowered to what is spent");
    assert!(!store.set_max_downloads(id(1), 9).await.expect("answered"), "nothing leads back");
    assert!(!store.set_max_downloads(id(7), 9).await.expect("answered"), "unknown");
}

async fn an_exhausted_transfer_is_swept_after_its_last_lease(store: &dyn MetadataStore) {
    limited(store, 1, 1).await;
    take(store, &key(1, 1), 30).await;
    assert_eq!(charge(store, &key(1, 1), 400, 30).await, SPENT); // to 130
    let unswept = async |now: i64| claim(store, now, now, 0, 10).await;
    assert!(unswept(129).await.is_empty(), "somebody may still read");
    assert_eq!(unswept(130).await, [id(1)]);
    store.end_lease(&key(1, 1), false).await.expect("ended");
    assert_eq!(unswept(31).await, [id(1)]);
    let listed = store.unswept(at(31), at(31), None, 10).await.expect("listed");
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [id(1)]);
    assert!(store.unswept(at(31), at(31), Some(id(1)), 10).await.expect("listed").is_empty());
    assert_eq!(store.unswept_total(at(31)).await.expect("added up"), (1, 400));
    assert_eq!(store.swept(id(1)).await.expect("swept"), 400);
    assert_eq!(store.swept(id(1)).await.expect("swept"), 0, "noted once");
    limited(store, 2, 1).await;
    take(store, &key(2, 1), 30).await;
    store.delete(id(2), at(31)).await.expect("deleted");
    store.swept(id(2)).await.expect("swept");
    assert_eq!(store.lease(&key(2, 1)).await.expect("read"), None, "leases go with the transfer");
}

/// What changes a stored state; expiry is the clock's.
#[derive(Clone, Copy, Debug)]
enum Event {
    Complete,
    SpendLast,
    Delete,
}

/// The table of `transfer::state`, as the database enforces it: each event on each state.
async fn states_change_as_the_table_says<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    use StoredState::{Deleted, Pending};
    let store = open().await;
    let table = [
        (Pending, [Completed, Pending, Deleted]),
        (Completed, [Completed, Exhausted, Deleted]),
        (Exhausted, [Exhausted, Exhausted, Deleted]),
        (Deleted, [Deleted, Deleted, Deleted]),
    ];
    let mut number = 0;
    for (from, leads_to) in table {
        for (event, to) in [Event::Complete, Event::SpendLast, Event::Delete].into_iter().zip(leads_to) {
            number += 1;
            bring_to(&store, number, from).await;
            happen(&store, number, event).await;
            assert_eq!(transfer(&store, number).await.state, to, "{from:?} {event:?}");
        }
    }
}

async fn bring_to(store: &dyn MetadataStore, number: u8, state: StoredState) {
    match state {
        StoredState::Pending => create(store, number).await,
        Completed => limited(store, number, 1).await,
        Exhausted => {
            limited(store, number, 1).await;
            happen(store, number, Event::SpendLast).await;
        }
        StoredState::Deleted => {
            create(store, number).await;
            happen(store, number, Event::Delete).await;
        }
    }
    assert_eq!(transfer(store, number).await.state, state);
}

async fn happen(store: &dyn MetadataStore, number: u8, event: Event) {
    match event {
        Event::Complete => {
            for chunk in 0..4 {
                record_one(store, record(number, chunk, 9, Step::Reserve, 10)).await;
                record_one(store, record(number, chunk, 9, Step::Store, 10)).await;
            }
            store.complete(id(number), at(20), ASKED, at(520)).await.expect("answered");
        }
        Event::SpendLast => {
            take(store, &key(number, 1), 30).await;
            store.commit_lease(&key(number, 1), at(30), TIMES).await.expect("answered");
        }
        Event::Delete => {
            store.delete(id(number), at(30)).await.expect("answered");
        }
    }
}
