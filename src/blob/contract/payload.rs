//! Payloads: one blob of any length, which may not be known when it begins. Stores may bring it in parts of 8 MiB.

use haulier_wire::Timestamp;

use super::*;
use crate::blob::StagedBlob;
use crate::store::{StoreError, UploadId};

/// One part of those stores that have parts.
const PART: usize = 8 << 20;
/// Pieces as a connection brings them: none of them fits evenly into a part.
const PIECE: usize = 1_000_003;

pub(super) async fn run(store: &dyn BlobStore) {
    payloads_of_every_length_read_back(store).await;
    a_payload_that_is_dropped_leaves_what_was_there(store).await;
    a_payload_of_another_length_is_refused(store).await;
    one_of_two_payloads_wins_whole(store).await;
    a_payload_is_listed_and_removed_with_its_transfer(store).await;
}

fn payload(transfer: u8) -> BlobKey {
    BlobKey::Payload(TransferId::from_random_bytes([transfer; 16]), UploadId::from_random_bytes([7; 8]))
}

async fn staged(store: &dyn BlobStore, key: BlobKey, expected: Expected, content: &[u8]) -> Box<dyn StagedBlob> {
    let mut staged = store.stage(key, expected).await.expect("staged");
    for piece in content.chunks(PIECE) {
        staged.write(Bytes::copy_from_slice(piece)).await.expect("written");
    }
    staged
}

async fn publish(mut staged: Box<dyn StagedBlob>) {
    staged.finish().await.expect("finished");
    staged.publish().await.expect("published");
}

async fn payloads_of_every_length_read_back(store: &dyn BlobStore) {
    let key = payload(40);
    for (seed, len) in (0..).zip([0, 1, PART - 1, PART, PART + 1, 3 * PART + 1]) {
        let content = bytes(len, seed);
        for expected in [Expected::Exactly(len as u64), Expected::AtMost(len as u64), Expected::AtMost(1 << 42)] {
            store.remove(key).await.expect("removed");
            let mut staged = staged(store, key, expected, &content).await;
            staged.finish().await.expect("finished");
            assert_eq!(store.len(key).await.expect("answered"), None, "{expected:?}: not published yet");
            staged.publish().await.expect("published");
            assert_eq!(store.len(key).await.expect("answered"), Some(len as u64), "{expected:?}");
            let read = read(store, key, 0, len as u64).await.expect("there");
            assert!(read == content, "{expected:?} of {len} bytes");
        }
    }
    let content = bytes(3 * PART + 1, 5);
    for (start, end) in [(PART - 1, PART + 1), (0, 1), (3 * PART, 3 * PART + 1), (PART + 5, 3 * PART - 5)] {
        let part = read(store, key, start as u64, end as u64).await.expect("there");
        assert!(part == content[start..end], "bytes {start} to {end}");
    }
    assert_eq!(read(store, key, 0, 3 * PART as u64 + 2).await, None, "beyond its end");
}

async fn a_payload_that_is_dropped_leaves_what_was_there(store: &dyn BlobStore) {
    let key = payload(41);
    let content = bytes(2 * PART + PART / 2, 1);
    for there in [None, Some(b"what was there")] {
        if let Some(there) = there {
            publish(staged(store, key, Expected::Exactly(there.len() as u64), there).await).await;
        }
        for expected in [Expected::Exactly(3 * PART as u64), Expected::AtMost(1 << 42)] {
            drop(staged(store, key, expected, &content).await);
            let mut finished = staged(store, key, Expected::Exactly(content.len() as u64), &content).await;
            finished.finish().await.expect("finished");
            drop(finished);
            let found = read(store, key, 0, there.map_or(1, |there| there.len() as u64)).await;
            assert_eq!(found.as_deref(), there.map(|there| &there[..]), "{expected:?}");
        }
    }
}

/// Whoever stages has counted; a store that sees it all the same must not publish another blob.
async fn a_payload_of_another_length_is_refused(store: &dyn BlobStore) {
    let key = payload(42);
    let mut surplus = store.stage(key, Expected::AtMost(10)).await.expect("staged");
    let refused = surplus.write(bytes(11, 1).into()).await;
    assert!(refused.is_err() || surplus.finish().await.is_err(), "more than was allowed");
    for (len, written) in [(10, 9), (2 * PART, 2 * PART - 1), (PART + 1, PART)] {
        let mut short = staged(store, key, Expected::Exactly(len as u64), &bytes(written, 1)).await;
        assert!(short.finish().await.is_err(), "{written} of {len} bytes");
    }
    assert_eq!(store.len(key).await.expect("answered"), None);
}

async fn one_of_two_payloads_wins_whole(store: &dyn BlobStore) {
    let contents = [bytes(2 * PART + 7, 1), bytes(2 * PART + 7, 2)];
    for number in 43..46 {
        let key = payload(number);
        let [one, other] = &contents;
        let write = async |content, expected| {
            let mut staged = staged(store, key, expected, content).await;
            staged.finish().await?;
            staged.publish().await
        };
        let exactly = Expected::Exactly(other.len() as u64);
        let outcomes = futures::join!(write(one, Expected::AtMost(1 << 42)), write(other, exactly));
        let outcomes = [outcomes.0, outcomes.1];
        let read = read(store, key, 0, one.len() as u64).await.expect("there");
        let winner = contents.iter().position(|content| *content == read).expect("no mixture of both");
        assert!(outcomes[winner].is_ok(), "{outcomes:?}");
        // Garage drops an upload when one that was begun later becomes the object, be it finished or not.
        assert!(matches!(outcomes[1 - winner], Ok(()) | Err(StoreError::Unavailable(_))), "{outcomes:?}");
    }
}

async fn a_payload_is_listed_and_removed_with_its_transfer(store: &dyn BlobStore) {
    let key = payload(46);
    publish(staged(store, key, Expected::AtMost(1 << 42), &bytes(PART + 1, 1)).await).await;
    let under_way = staged(store, key, Expected::AtMost(1 << 42), &bytes(2 * PART + 1, 1)).await;
    assert_eq!(listed(store, key).await, [("payloads/0707070707070707".to_owned(), PART as u64 + 1)]);
    store.remove_transfer(key.transfer_id()).await.expect("removed");
    assert!(listed(store, key).await.is_empty());
    assert_eq!(store.len(key).await.expect("answered"), None);
    drop(under_way);
    let long_ago = Timestamp::from_second(1_600_000_000).expect("in range");
    assert_eq!(store.remove_abandoned(long_ago).await.expect("looked for"), 0);
}
