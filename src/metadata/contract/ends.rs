//! What is over stays over: bytes that were charged for nothing, and transfers whose blobs are gone.

use super::lease::{CHARGED, SPENT, charge, counts, key, limited, take};
use super::*;

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    what_did_not_leave_is_taken_off(&open().await).await;
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
