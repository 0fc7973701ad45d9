//! What every database must show to the operator's commands.

use super::*;
use crate::metadata::{Digest, Restored, Total};

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    transfers_are_listed_in_pages(&open().await).await;
    stored_chunks_are_listed_in_pages(&open().await).await;
    totals_tell_the_sorts_apart(&open().await).await;
    huge_announcements_are_added_up(&open().await).await;
    a_chunk_is_taken_back_and_comes_again(&open().await).await;
    only_pending_transfers_give_chunks_back(&open().await).await;
    a_chunk_is_taken_back_once(&open().await).await;
    a_restored_transfer_is_what_it_was(&open().await).await;
    restoring_never_touches_what_is_there(&open().await).await;
    many_chunks_are_restored_in_order(&open().await).await;
}

async fn transfers_are_listed_in_pages(store: &dyn MetadataStore) {
    assert!(store.transfers(None, 3).await.expect("listed").is_empty());
    for number in 1..=7 {
        create(store, number).await;
    }
    store.delete(id(2), at(1)).await.expect("deleted");
    store.swept(id(2)).await.expect("swept");
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.transfers(after, 3).await.expect("listed");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page);
    }
    assert!(found.iter().all(|transfer| transfer.is_swept == (transfer.id == id(2))));
    let mut ids: Vec<_> = found.iter().map(|transfer| transfer.id).collect();
    ids.sort();
    assert_eq!(ids, (1..=7).map(id).collect::<Vec<_>>(), "each once, tombstones too");
}

async fn stored_chunks_are_listed_in_pages(store: &dyn MetadataStore) {
    create(store, 1).await;
    for chunk in [3, 0, 2] {
        store_chunk(store, 1, chunk, 1).await;
    }
    record_one(store, record(1, 1, 9, Step::Reserve, 1)).await;
    let list = async |from, most| {
        let found = store.stored_chunks(id(1), from, most).await.expect("listed");
        assert!(found.iter().all(|(_, chunk)| *chunk == StoredChunk { blake3: [9; 32], sha256: None }));
        found.into_iter().map(|(index, _)| index.get()).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 10).await, [0, 2, 3], "what is only reserved is not stored");
    assert_eq!(list(0, 2).await, [0, 2]);
    assert_eq!(list(3, 2).await, [3]);
    assert!(list(4, 2).await.is_empty());
    assert!(store.stored_chunks(id(9), 0, 9).await.expect("listed").is_empty());
}

async fn totals_tell_the_sorts_apart(store: &dyn MetadataStore) {
    assert!(store.totals(at(0)).await.expect("added up").is_empty());
    create(store, 1).await; // abandoned at 1000
    create(store, 2).await;
    store_chunk(store, 2, 0, 600).await; // abandoned at 1600
    completed(store, 3).await; // ends at 520
    completed(store, 4).await;
    create(store, 5).await;
    store.delete(id(5), at(1)).await.expect("deleted");
    store.swept(id(5)).await.expect("swept");

    let find = async |now, state, has_ended, is_swept| {
        let totals = store.totals(at(now)).await.expect("added up");
        let mut found = totals
            .into_iter()
            .filter(|total| (total.state, total.has_ended, total.is_swept) == (state, has_ended, is_swept));
        let first = found.next();
        assert!(found.next().is_none(), "one line for each sort");
        first.map(|Total { transfers, declared_bytes, stored_chunks, stored_bytes, .. }| {
            (transfers, declared_bytes, stored_chunks, stored_bytes)
        })
    };
    let size = 3 * 65536 + 5;
    assert_eq!(find(0, StoredState::Pending, false, false).await, Some((2, 2 * size, 1, 100)));
    assert_eq!(find(0, StoredState::Completed, false, false).await, Some((2, 2 * size, 8, 800)));
    assert_eq!(find(0, StoredState::Deleted, false, true).await, Some((1, size, 0, 0)));
    assert_eq!(find(519, StoredState::Completed, true, false).await, None);
    assert_eq!(find(520, StoredState::Completed, true, false).await, Some((2, 2 * size, 8, 800)));
    assert_eq!(find(1000, StoredState::Pending, true, false).await, Some((1, size, 0, 0)));
}

async fn huge_announcements_are_added_up(store: &dyn MetadataStore) {
    let most = (1_u64 << 53) - (1 << 40);
    let mut new = new_transfer(0);
    new.transfer.shape =
        Shape::Chunks(ChunkLayout::new(ByteLen::new(most).expect("in range"), 64 << 20).expect("a layout"));
    for number in 0..1_100_u16 {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        new.transfer.id = TransferId::from_random_bytes(bytes);
        store.create(&new).await.expect("created");
    }
    let declared = store.totals(at(0)).await.expect("added up")[0].declared_bytes;
    assert_eq!(declared, most * 1_100);
    assert!(declared > 1 << 63, "anyone can announce more than a signed sum holds");
}

async fn a_chunk_is_taken_back_and_comes_again(store: &dyn MetadataStore) {
    create(store, 1).await;
    for chunk in 0..4 {
        store_chunk(store, 1, chunk, 10).await;
    }
    assert!(!store.unstore(id(1), index(2), [8; 32], 100).await.expect("answered"), "another digest");
    assert!(store.unstore(id(1), index(2), [9; 32], 100).await.expect("answered"));
    let row = transfer(store, 1).await;
    assert_eq!((row.stored_chunks, row.stored_bytes), (3, 300));
    assert_eq!(stored_chunk(store, id(1), index(2)).await, None);
    assert_eq!(store.missing(id(1), 4, 9).await.expect("listed"), [[2, 2]]);
    assert!(!store.complete(id(1), at(20), ASKED, at(520)).await.expect("answered"), "one is missing");
    assert_eq!(record_one(store, record(1, 2, 8, Step::Reserve, 11)).await, Recorded::Conflict, "never other bytes");
    assert_eq!(record_one(store, record(1, 2, 9, Step::Reserve, 11)).await, Recorded::Same);
    assert_eq!(record_one(store, record(1, 2, 9, Step::Store, 11)).await, Recorded::New);
    assert!(store.complete(id(1), at(20), ASKED, at(520)).await.expect("answered"));
}

async fn only_pending_transfers_give_chunks_back(store: &dyn MetadataStore) {
    completed(store, 1).await;
    create(store, 2).await;
    store_chunk(store, 2, 0, 1).await;
    store.delete(id(2), at(5)).await.expect("deleted");
    create(store, 3).await;
    record_one(store, record(3, 0, 9, Step::Reserve, 1)).await;
    for number in [1, 2, 3, 4] {
        let taken = store.unstore(id(number), index(0), [9; 32], 100).await.expect("answered");
        assert!(!taken, "{number}: completed, deleted, only reserved, unknown");
    }
    let row = transfer(store, 1).await;
    assert_eq!((row.stored_chunks, row.stored_bytes), (4, 400), "nothing was counted back");
    assert!(stored_chunk(store, id(1), index(0)).await.is_some(), "the chunk stays as well");
}

async fn a_chunk_is_taken_back_once(store: &dyn MetadataStore) {
    create(store, 1).await;
    store_chunk(store, 1, 0, 1).await;
    store_chunk(store, 1, 1, 1).await;
    let takers = (0..8).map(|_| store.unstore(id(1), index(0), [9; 32], 100));
    let taken = futures::future::join_all(takers).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().expect("answered")).count(), 1);
    let row = transfer(store, 1).await;
    assert_eq!((row.stored_chunks, row.stored_bytes), (1, 100));
}

/// As it was before the database was lost.
fn restored(number: u8, chunks: Vec<Digest>) -> Restored {
    let mut transfer = new_transfer(number).transfer;
    transfer.state = StoredState::Completed;
    transfer.stored_chunks = 4;
    transfer.stored_bytes = transfer.shape.body_bytes();
    transfer.max_downloads = 5;
    transfer.download_count = 3;
    transfer.held = 3;
    transfer.completed_at = Some(at(20));
    transfer.upload_expires_at = at(20);
    transfer.expiry = Expiry::At(at(520));
    Restored { transfer, sealed_metadata: Some(vec![5; 40]), chunks }
}

async fn a_restored_transfer_is_what_it_was(store: &dyn MetadataStore) {
    let lost = restored(1, (0..4).map(|chunk| [chunk; 32]).collect());
    assert!(store.restore(&lost).await.expect("restored"));
    assert_eq!(format!("{:?}", transfer(store, 1).await), format!("{:?}", lost.transfer));
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), Some(vec![5; 40]));
    for chunk in 0..4 {
        let found = stored_chunk(store, id(1), index(chunk)).await.expect("there");
        assert_eq!(found.blake3, [u8::try_from(chunk).expect("small"); 32]);
    }
    assert_eq!(record_one(store, record(1, 2, 2, Step::Reserve, 30)).await, Recorded::Stored, "the same bytes");
    assert_eq!(record_one(store, record(1, 2, 9, Step::Reserve, 30)).await, Recorded::Conflict, "other bytes");
    assert_eq!(claim(store, 520, 0, 0, 9).await, [id(1)], "its end comes as for any other");

    let mut seed = restored(2, Vec::new());
    (seed.transfer.kind, seed.sealed_metadata) = (TransferKind::Seed, None);
    assert!(store.restore(&seed).await.expect("restored"), "one that has ended needs no chunks");
    assert_eq!(store.sealed_metadata(id(2)).await.expect("read"), None);
}

async fn restoring_never_touches_what_is_there(store: &dyn MetadataStore) {
    create(store, 1).await;
    completed(store, 2).await;
    create(store, 3).await;
    store.delete(id(3), at(1)).await.expect("deleted");
    for number in 1..=3 {
        let before = format!("{:?}", transfer(store, number).await);
        let found = store.restore(&restored(number, vec![[1; 32]; 4])).await.expect("answered");
        assert!(!found, "{number}: the id is there");
        assert_eq!(format!("{:?}", transfer(store, number).await), before);
        assert_eq!(store.sealed_metadata(id(number)).await.expect("read"), None);
    }
    assert_eq!(stored_chunk(store, id(2), index(0)).await.map(|chunk| chunk.blake3), Some([9; 32]));
}

async fn many_chunks_are_restored_in_order(store: &dyn MetadataStore) {
    const CHUNKS: u32 = 10_000;
    let digest = |chunk: u32| *blake3::hash(&chunk.to_be_bytes()).as_bytes();
    let mut lost = restored(1, (0..CHUNKS).map(digest).collect());
    let size = ByteLen::new(u64::from(CHUNKS) * 65_536).expect("in range");
    lost.transfer.shape = Shape::Chunks(ChunkLayout::new(size, 65_536).expect("a layout"));
    assert!(store.restore(&lost).await.expect("restored"));
    assert!(store.missing(id(1), CHUNKS, 9).await.expect("listed").is_empty());
    let found = store.stored_chunks(id(1), 0, CHUNKS + 1).await.expect("listed");
    assert_eq!(found.len(), 10_000);
    for (number, (index, chunk)) in (0..).zip(found) {
        assert_eq!((index.get(), chunk.blake3), (number, digest(number)));
    }
}
