//! The behaviour that every database must show. Each backend's tests run all of it on a fresh store.

use std::future::Future;

use haulier_wire::{ByteLen, ChunkIndex, ChunkLayout, Timestamp, TransferId, TransferKind};

use super::{
    ChunkRecord, Created, Expiry, MetadataStore, NewTransfer, Recorded, SetOnce, Shape, Step, StoredChunk, StoredState,
    Transfer,
};

mod access;
mod ends;
mod lease;
mod operator;
mod payload;

/// Runs every case, each on a store that `open` makes.
pub(super) async fn run<S, F, Fut>(open: F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_created_transfer_reads_back(&open().await).await;
    a_taken_id_answers_with_its_row(&open().await).await;
    sealed_metadata_is_set_once(&open().await).await;
    one_digest_wins_an_index(&open().await).await;
    a_chunk_is_stored_once_and_counted_once(&open().await).await;
    one_batch_holds_many_transfers(&open().await).await;
    a_closed_transfer_takes_no_chunks(&open().await).await;
    gaps_are_listed_in_order(&open().await).await;
    complete_needs_every_chunk_and_happens_once(&open().await).await;
    expiry_changes_until_deletion(&open().await).await;
    a_tombstone_stays(&open().await).await;
    downloads_are_counted(&open().await).await;
    only_what_has_ended_is_swept(&open().await).await;
    a_claim_holds_until_it_ends(&open().await).await;
    claimants_never_get_the_same(&open().await).await;
    racing_writers_get_one_winner(&open().await).await;
    lease::run(&open).await;
    ends::run(&open).await;
    operator::run(&open).await;
    payload::run(&open).await;
    access::run(&open).await;
    open().await.probe().await.expect("reachable");
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("in range")
}

fn id(number: u8) -> TransferId {
    TransferId::from_random_bytes([number; 16])
}

fn index(number: u32) -> ChunkIndex {
    ChunkIndex::new(number).expect("in range")
}

/// The stored chunk; its transfer, which must be there, comes with it.
async fn stored_chunk(store: &dyn MetadataStore, id: TransferId, index: ChunkIndex) -> Option<StoredChunk> {
    let (transfer, chunk) = store.transfer_and_chunk(id, index).await.expect("read").expect("a transfer");
    assert_eq!(transfer.id, id);
    chunk
}

/// The expiry of [`new_transfer`].
const ASKED: Expiry = Expiry::AfterComplete(500);

/// Four chunks; the upload ends at 1000 if no chunk comes, the transfer 500 ms after complete.
pub(super) fn new_transfer(number: u8) -> NewTransfer {
    let layout = ChunkLayout::new(ByteLen::new(3 * 65536 + 5).expect("in range"), 65536).expect("a layout");
    let transfer = Transfer {
        id: id(number),
        kind: TransferKind::Full,
        state: StoredState::Pending,
        create_digest: [number; 32],
        shape: Shape::Chunks(layout),
        stored_chunks: 0,
        stored_bytes: 0,
        key_check: Some(vec![1; 32]),
        kdf_salt: Some([2; 16]),
        owner_token_hash: Some(haulier_wire::TokenHash::from_digest(&[3; 32])),
        download_token_hash: None,
        max_downloads: 0,
        download_count: 0,
        held: 0,
        abandoned_bytes: 0,
        created_at: at(0),
        upload_expires_at: at(1000),
        expiry: ASKED,
        completed_at: None,
        is_swept: false,
    };
    NewTransfer { transfer, sealed_metadata: None, charge: None }
}

fn record(number: u8, chunk: u32, digest: u8, step: Step, now: i64) -> ChunkRecord {
    ChunkRecord {
        transfer_id: id(number),
        index: index(chunk),
        blake3: [digest; 32],
        sha256: None,
        len: 100,
        step,
        now: at(now),
        upload_expires_at: at(now + 1000),
    }
}

async fn record_one(store: &dyn MetadataStore, record: ChunkRecord) -> Recorded {
    let results = store.record(&[record]).await.expect("recorded");
    assert_eq!(results.len(), 1);
    results[0]
}

async fn store_chunk(store: &dyn MetadataStore, number: u8, chunk: u32, now: i64) {
    assert_eq!(record_one(store, record(number, chunk, 9, Step::Reserve, now)).await, Recorded::New);
    assert_eq!(record_one(store, record(number, chunk, 9, Step::Store, now)).await, Recorded::New);
}

async fn create(store: &dyn MetadataStore, number: u8) {
    assert!(matches!(store.create(&new_transfer(number)).await.expect("created"), Created::New));
}

async fn transfer(store: &dyn MetadataStore, number: u8) -> Transfer {
    store.transfer(id(number)).await.expect("read").expect("there")
}

async fn completed(store: &dyn MetadataStore, number: u8) {
    create(store, number).await;
    for chunk in 0..4 {
        store_chunk(store, number, chunk, 10).await;
    }
    assert!(store.complete(id(number), at(20), ASKED, at(520)).await.expect("completed"));
}

async fn a_created_transfer_reads_back(store: &dyn MetadataStore) {
    assert!(store.transfer(id(1)).await.expect("read").is_none());
    let mut new = new_transfer(1);
    new.sealed_metadata = Some(vec![5; 40]);
    assert!(matches!(store.create(&new).await.expect("created"), Created::New));
    let read = transfer(store, 1).await;
    assert_eq!(format!("{read:?}"), format!("{:?}", new.transfer));
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), Some(vec![5; 40]));
    assert_eq!(store.sealed_metadata(id(2)).await.expect("read"), None);

    let mut seed = new_transfer(2);
    seed.transfer.kind = TransferKind::Seed;
    seed.transfer.id = "0123456789ab".parse().expect("a legacy id");
    seed.transfer.expiry = Expiry::At(at(7));
    (seed.transfer.key_check, seed.transfer.kdf_salt, seed.transfer.owner_token_hash) = (None, None, None);
    store.create(&seed).await.expect("created");
    let read = store.transfer(seed.transfer.id).await.expect("read").expect("there");
    assert_eq!(format!("{read:?}"), format!("{:?}", seed.transfer));
}

async fn a_taken_id_answers_with_its_row(store: &dyn MetadataStore) {
    create(store, 1).await;
    let mut other = new_transfer(1);
    other.transfer.create_digest = [99; 32];
    other.sealed_metadata = Some(vec![1; 30]);
    let Created::Existing(existing) = store.create(&other).await.expect("answered") else { panic!("taken twice") };
    assert_eq!(existing.create_digest, [1; 32]);
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), None, "the loser leaves nothing");
}

async fn sealed_metadata_is_set_once(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert_eq!(store.set_sealed_metadata(id(1), &[1; 30]).await.expect("set"), SetOnce::New);
    assert_eq!(store.set_sealed_metadata(id(1), &[1; 30]).await.expect("set"), SetOnce::Same);
    assert_eq!(store.set_sealed_metadata(id(1), &[2; 30]).await.expect("set"), SetOnce::Conflict);
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), Some(vec![1; 30]));
    create(store, 2).await;
    store.delete(id(2), at(1)).await.expect("deleted");
    assert_eq!(store.set_sealed_metadata(id(2), &[1; 30]).await.expect("refused"), SetOnce::Conflict);
}

async fn one_digest_wins_an_index(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert_eq!(record_one(store, record(1, 0, 1, Step::Reserve, 1)).await, Recorded::New);
    assert_eq!(record_one(store, record(1, 0, 1, Step::Reserve, 1)).await, Recorded::Same);
    assert_eq!(record_one(store, record(1, 0, 2, Step::Reserve, 1)).await, Recorded::Conflict);
    assert_eq!(record_one(store, record(1, 0, 2, Step::Store, 1)).await, Recorded::Conflict);
    assert_eq!(stored_chunk(store, id(1), index(0)).await, None, "reserved is not stored");
    assert_eq!(record_one(store, record(1, 0, 1, Step::Store, 1)).await, Recorded::New);
    assert_eq!(record_one(store, record(1, 0, 1, Step::Reserve, 1)).await, Recorded::Stored);
    assert_eq!(record_one(store, record(1, 0, 2, Step::Reserve, 1)).await, Recorded::Conflict);
    assert_eq!(record_one(store, record(1, 1, 1, Step::Store, 1)).await, Recorded::Closed, "never reserved");
    assert!(store.transfer_and_chunk(id(9), index(0)).await.expect("read").is_none(), "no such transfer");
}

async fn a_chunk_is_stored_once_and_counted_once(store: &dyn MetadataStore) {
    create(store, 1).await;
    let mut verified = record(1, 0, 9, Step::Reserve, 300);
    verified.sha256 = Some([4; 32]);
    record_one(store, verified.clone()).await;
    verified.step = Step::Store;
    assert_eq!(record_one(store, verified.clone()).await, Recorded::New);
    assert_eq!(record_one(store, verified).await, Recorded::Stored);
    let row = transfer(store, 1).await;
    assert_eq!((row.stored_chunks, row.stored_bytes), (1, 100));
    assert_eq!(row.upload_expires_at, at(1300), "a chunk prolongs the upload");
    let chunk = stored_chunk(store, id(1), index(0)).await;
    assert_eq!(chunk, Some(StoredChunk { blake3: [9; 32], sha256: Some([4; 32]) }));
}

async fn one_batch_holds_many_transfers(store: &dyn MetadataStore) {
    create(store, 1).await;
    create(store, 2).await;
    let batch = [
        record(1, 0, 1, Step::Reserve, 1),
        record(2, 0, 1, Step::Reserve, 1),
        record(1, 0, 2, Step::Reserve, 1),
        record(1, 0, 1, Step::Store, 1),
        record(3, 0, 1, Step::Reserve, 1),
        record(1, 1, 1, Step::Reserve, 1),
        record(1, 1, 1, Step::Store, 1),
    ];
    let results = store.record(&batch).await.expect("recorded");
    use Recorded::{Closed, Conflict, New};
    assert_eq!(results, [New, New, Conflict, New, Closed, New, New]);
    assert_eq!(transfer(store, 1).await.stored_chunks, 2);
    assert_eq!(transfer(store, 2).await.stored_chunks, 0);
}

async fn a_closed_transfer_takes_no_chunks(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert_eq!(record_one(store, record(1, 0, 1, Step::Reserve, 1000)).await, Recorded::Closed, "upload expired");
    assert_eq!(record_one(store, record(1, 0, 1, Step::Reserve, 999)).await, Recorded::New);
    store.delete(id(1), at(5)).await.expect("deleted");
    assert_eq!(record_one(store, record(1, 0, 1, Step::Store, 10)).await, Recorded::Closed, "deleted");

    completed(store, 2).await;
    assert_eq!(record_one(store, record(2, 0, 9, Step::Reserve, 30)).await, Recorded::Stored, "the same bytes");
    assert_eq!(record_one(store, record(2, 0, 8, Step::Reserve, 30)).await, Recorded::Conflict, "other bytes");
    assert_eq!(record_one(store, record(2, 0, 9, Step::Reserve, 520)).await, Recorded::Closed, "expired");
}

async fn gaps_are_listed_in_order(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert_eq!(store.missing(id(1), 10, 5).await.expect("listed"), [[0, 9]]);
    for chunk in [1, 2, 5, 9] {
        store_chunk(store, 1, chunk, 1).await;
    }
    record_one(store, record(1, 7, 9, Step::Reserve, 1)).await;
    assert_eq!(store.missing(id(1), 10, 5).await.expect("listed"), [[0, 0], [3, 4], [6, 8]]);
    assert_eq!(store.missing(id(1), 10, 2).await.expect("listed"), [[0, 0], [3, 4]]);
    assert_eq!(store.missing(id(1), u32::MAX, 9).await.expect("listed").last(), Some(&[10, u32::MAX - 1]));
}

async fn complete_needs_every_chunk_and_happens_once(store: &dyn MetadataStore) {
    create(store, 1).await;
    for chunk in 0..3 {
        store_chunk(store, 1, chunk, 10).await;
    }
    record_one(store, record(1, 3, 9, Step::Reserve, 10)).await;
    assert!(!store.complete(id(1), at(20), ASKED, at(520)).await.expect("answered"), "one is only reserved");
    record_one(store, record(1, 3, 9, Step::Store, 10)).await;
    assert!(!store.complete(id(1), at(5000), ASKED, at(5500)).await.expect("answered"), "the upload has expired");
    for other in [Expiry::AfterComplete(501), Expiry::At(at(520))] {
        assert!(!store.complete(id(1), at(20), other, at(520)).await.expect("answered"), "the owner moved its end");
    }
    assert!(store.complete(id(1), at(20), ASKED, at(520)).await.expect("answered"));
    assert!(!store.complete(id(1), at(30), ASKED, at(530)).await.expect("answered"), "once");
    create(store, 2).await;
    for chunk in 0..4 {
        store_chunk(store, 2, chunk, 10).await;
    }
    let moment = Expiry::At(at(900));
    assert!(store.set_expiry(id(2), moment, at(20)).await.expect("set"));
    assert!(!store.complete(id(2), at(20), Expiry::At(at(901)), at(901)).await.expect("answered"), "another moment");
    assert!(store.complete(id(2), at(20), moment, at(900)).await.expect("answered"));
    let row = transfer(store, 1).await;
    assert_eq!((row.state, row.completed_at, row.expiry), (StoredState::Completed, Some(at(20)), Expiry::At(at(520))));
    assert!(!store.complete(id(9), at(20), ASKED, at(520)).await.expect("answered"), "unknown");
}

async fn expiry_changes_until_deletion(store: &dyn MetadataStore) {
    create(store, 1).await;
    for expiry in [Expiry::At(at(77)), Expiry::AfterComplete(88)] {
        assert!(store.set_expiry(id(1), expiry, at(1)).await.expect("set"));
        assert_eq!(transfer(store, 1).await.expiry, expiry);
    }
    store.delete(id(1), at(5)).await.expect("deleted");
    assert!(!store.set_expiry(id(1), Expiry::At(at(99)), at(5)).await.expect("answered"));

    completed(store, 2).await;
    assert!(!store.set_expiry(id(2), Expiry::AfterComplete(88), at(30)).await.expect("answered"), "that is over");
    assert!(store.set_expiry(id(2), Expiry::At(at(99)), at(30)).await.expect("answered"));
    assert_eq!(transfer(store, 2).await.expiry, Expiry::At(at(99)));
}

async fn a_tombstone_stays(store: &dyn MetadataStore) {
    create(store, 1).await;
    assert!(store.delete(id(1), at(5)).await.expect("deleted"));
    assert!(!store.delete(id(1), at(6)).await.expect("answered"), "once");
    assert!(!store.delete(id(2), at(6)).await.expect("answered"), "unknown");
    store.swept(id(1)).await.expect("swept");
    assert_eq!(transfer(store, 1).await.state, StoredState::Deleted);
    assert!(matches!(store.create(&new_transfer(1)).await.expect("answered"), Created::Existing(_)));
}

async fn downloads_are_counted(store: &dyn MetadataStore) {
    completed(store, 1).await;
    for _ in 0..3 {
        store.count_download(id(1)).await.expect("counted");
    }
    assert_eq!(transfer(store, 1).await.download_count, 3);
}

async fn only_what_has_ended_is_swept(store: &dyn MetadataStore) {
    create(store, 1).await; // abandoned at 1000
    completed(store, 2).await; // ends at 520
    completed(store, 3).await;
    store.set_expiry(id(3), Expiry::At(at(9000)), at(30)).await.expect("set");
    create(store, 4).await;
    store.delete(id(4), at(1)).await.expect("deleted");

    // Claims that have ended when they begin bind nobody.
    let sweepable = async |now: i64, most: u32| claim(store, now, 0, 0, most).await;
    assert_eq!(sweepable(0, 10).await, [id(4)]);
    assert_eq!(sweepable(519, 10).await, [id(4)]);
    assert_eq!(sweepable(520, 10).await, [id(2), id(4)]);
    assert_eq!(sweepable(1000, 10).await, [id(1), id(2), id(4)]);
    assert_eq!(sweepable(1000, 2).await.len(), 2);
    store.swept(id(2)).await.expect("swept");
    assert_eq!(sweepable(1000, 10).await, [id(1), id(4)]);
    assert_eq!(stored_chunk(store, id(2), index(0)).await, None, "its chunks are forgotten");
    assert!(stored_chunk(store, id(3), index(0)).await.is_some());
}

/// Claims what has ended at `ended`, sorted.
async fn claim(store: &dyn MetadataStore, ended: i64, now: i64, until: i64, most: u32) -> Vec<TransferId> {
    let mut claimed = store.claim_sweep(at(ended), at(now), at(until), most).await.expect("claimed");
    claimed.sort();
    claimed
}

async fn deleted(store: &dyn MetadataStore, numbers: impl IntoIterator<Item = u8>) {
    for number in numbers {
        create(store, number).await;
        assert!(store.delete(id(number), at(1)).await.expect("deleted"));
    }
}

async fn a_claim_holds_until_it_ends(store: &dyn MetadataStore) {
    deleted(store, 1..=3).await;
    assert_eq!(claim(store, 0, 100, 160, 10).await, [id(1), id(2), id(3)]);
    assert!(claim(store, 0, 159, 219, 10).await.is_empty(), "somebody has them");
    store.move_sweep_claim(id(1), at(200)).await.expect("held for longer");
    store.move_sweep_claim(id(2), at(100)).await.expect("given back");
    assert_eq!(claim(store, 0, 100, 300, 10).await, [id(2)]);
    assert_eq!(claim(store, 0, 160, 161, 10).await, [id(3)], "whoever had it is gone");
    assert_eq!(claim(store, 0, 200, 201, 10).await, [id(1), id(3)]);

    store.swept(id(1)).await.expect("swept");
    store.move_sweep_claim(id(1), at(0)).await.expect("too late");
    assert_eq!(claim(store, 0, 9_000, 9_001, 10).await, [id(2), id(3)], "what is swept never comes back");
    store.move_sweep_claim(id(9), at(0)).await.expect("there is no such transfer");
    assert!(transfer(store, 1).await.is_swept && !transfer(store, 2).await.is_swept);
}

async fn claimants_never_get_the_same(store: &dyn MetadataStore) {
    deleted(store, 0..120).await;
    let claims = futures::future::join_all((0..40).map(|_| claim(store, 0, 100, 160, 5))).await;
    assert!(claims.iter().all(|claimed| claimed.len() <= 5), "no more than were asked for: {claims:?}");
    let mut claimed: Vec<TransferId> = claims.into_iter().flatten().collect();
    // Whoever met others at the same rows may have got fewer: the rest is there for the next.
    loop {
        let more = claim(store, 0, 100, 160, 50).await;
        if more.is_empty() {
            break;
        }
        claimed.extend(more);
    }
    claimed.sort();
    let mut expected: Vec<TransferId> = (0..120).map(id).collect();
    expected.sort();
    assert_eq!(claimed, expected, "each once");
}

async fn racing_writers_get_one_winner(store: &dyn MetadataStore) {
    create(store, 1).await;
    for chunk in 0..4 {
        let writers = (0..16).map(|digest| record_one(store, record(1, chunk, digest, Step::Reserve, 1)));
        let results = futures::future::join_all(writers).await;
        assert_eq!(results.iter().filter(|result| **result == Recorded::New).count(), 1);
        assert_eq!(results.iter().filter(|result| **result == Recorded::Conflict).count(), 15);
    }
}
