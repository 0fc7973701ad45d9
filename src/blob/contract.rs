//! The behaviour that every blob store must show. Each backend's tests run all of it.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use haulier_wire::{ChunkIndex, TransferId};

use super::{BlobKey, BlobStore, Expected, Listed};
use crate::store::UploadId;

mod payload;

/// Runs every case; each uses a transfer id of its own.
pub(super) async fn run(store: &dyn BlobStore) {
    a_published_blob_reads_back(store).await;
    every_range_reads_back(store).await;
    an_unpublished_blob_is_invisible(store).await;
    publishing_replaces_whole_blobs(store).await;
    put_writes_and_replaces(store).await;
    what_is_not_there_is_none(store).await;
    removing_is_idempotent(store).await;
    removing_a_transfer_leaves_the_others(store).await;
    many_publish_at_once(store).await;
    a_removed_transfer_can_be_written_again(store).await;
    folders_of_transfers_are_listed(store).await;
    blobs_are_listed_with_their_lengths(store).await;
    a_long_list_is_whole(store).await;
    a_list_that_nobody_reads_on_ends(store).await;
    payload::run(store).await;
    store.probe().await.expect("reachable");
}

/// The names and lengths in a transfer's folder, sorted.
async fn listed(store: &dyn BlobStore, key: BlobKey) -> Vec<(String, u64)> {
    let found: Vec<Listed> = store.blobs_of(key.transfer_id()).try_collect().await.expect("listed");
    let mut found: Vec<_> = found.into_iter().map(|listed| (listed.name, listed.len)).collect();
    found.sort();
    found
}

fn chunk(transfer: u8, index: u32) -> BlobKey {
    BlobKey::Chunk(TransferId::from_random_bytes([transfer; 16]), ChunkIndex::new(index).expect("in range"))
}

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("haulier test").update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

async fn write(store: &dyn BlobStore, key: BlobKey, content: &[u8], pieces: usize) {
    let mut staged = store.stage(key, Expected::Exactly(content.len() as u64)).await.expect("staged");
    for piece in content.chunks(content.len().div_ceil(pieces).max(1)) {
        staged.write(Bytes::copy_from_slice(piece)).await.expect("written");
    }
    staged.finish().await.expect("finished");
    staged.publish().await.expect("published");
}

async fn read(store: &dyn BlobStore, key: BlobKey, start: u64, end: u64) -> Option<Vec<u8>> {
    let content = store.read(key, start..end).await.expect("answered")?;
    let pieces: Vec<Bytes> = content.into_stream().try_collect().await.expect("read to the end");
    Some(pieces.concat())
}

async fn a_published_blob_reads_back(store: &dyn BlobStore) {
    for (number, len) in
        [0, 1, 28, 65_536, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3_000_000].into_iter().enumerate()
    {
        for pieces in [1, 7, 300] {
            let key = chunk(1, u32::try_from(number).expect("small"));
            let content = bytes(len, 1);
            write(store, key, &content, pieces).await;
            assert_eq!(store.len(key).await.expect("answered"), Some(len as u64));
            assert_eq!(read(store, key, 0, len as u64).await, Some(content), "{len} bytes in {pieces} pieces");
        }
    }
}

async fn every_range_reads_back(store: &dyn BlobStore) {
    let content = bytes(700_000, 2);
    let key = chunk(2, 0);
    write(store, key, &content, 3).await;
    for (start, end) in [(0, 1), (5, 5), (699_999, 700_000), (1, 699_999), (262_143, 262_145), (262_144, 524_288)] {
        let part = read(store, key, start as u64, end as u64).await;
        assert_eq!(part.as_deref(), Some(&content[start..end]));
    }
    assert_eq!(read(store, key, 0, 700_001).await, None, "beyond its end");
}

async fn an_unpublished_blob_is_invisible(store: &dyn BlobStore) {
    let key = chunk(3, 0);
    let mut staged = store.stage(key, Expected::Exactly(4)).await.expect("staged");
    staged.write(Bytes::from_static(b"abcd")).await.expect("written");
    assert_eq!(store.len(key).await.expect("answered"), None);
    staged.finish().await.expect("finished");
    assert_eq!(store.len(key).await.expect("answered"), None);
    drop(staged);
    assert_eq!(store.len(key).await.expect("answered"), None);
}

async fn publishing_replaces_whole_blobs(store: &dyn BlobStore) {
    let key = chunk(4, 0);
    write(store, key, &bytes(100_000, 1), 2).await;
    write(store, key, &bytes(50, 2), 2).await;
    assert_eq!(read(store, key, 0, 50).await, Some(bytes(50, 2)));
    assert_eq!(store.len(key).await.expect("answered"), Some(50));
}

async fn put_writes_and_replaces(store: &dyn BlobStore) {
    let key = BlobKey::Meta(TransferId::from_random_bytes([5; 16]));
    for content in [&b"{}"[..], b"{\"v\":1}", b""] {
        store.put(key, Bytes::from_static(content)).await.expect("put");
        assert_eq!(read(store, key, 0, content.len() as u64).await.as_deref(), Some(content));
    }
}

async fn what_is_not_there_is_none(store: &dyn BlobStore) {
    assert_eq!(store.len(chunk(6, 0)).await.expect("answered"), None);
    assert_eq!(read(store, chunk(6, 0), 0, 0).await, None);
}

async fn removing_is_idempotent(store: &dyn BlobStore) {
    let key = chunk(7, 0);
    write(store, key, b"x", 1).await;
    for _ in 0..2 {
        store.remove(key).await.expect("removed");
        assert_eq!(store.len(key).await.expect("answered"), None);
    }
    store.remove(chunk(77, 0)).await.expect("nothing to remove");
    store.remove_transfer(key.transfer_id()).await.expect("removed");
    store.remove_transfer(key.transfer_id()).await.expect("nothing to remove");
}

async fn removing_a_transfer_leaves_the_others(store: &dyn BlobStore) {
    let meta = BlobKey::Meta(chunk(8, 0).transfer_id());
    store.put(meta, Bytes::from_static(b"{}")).await.expect("put");
    for key in [chunk(8, 0), chunk(8, 100_000), chunk(9, 0)] {
        write(store, key, b"x", 1).await;
    }
    store.remove_transfer(chunk(8, 0).transfer_id()).await.expect("removed");
    for key in [chunk(8, 0), chunk(8, 100_000), meta] {
        assert_eq!(store.len(key).await.expect("answered"), None);
    }
    assert_eq!(store.len(chunk(9, 0)).await.expect("answered"), Some(1));
}

async fn many_publish_at_once(store: &dyn BlobStore) {
    let contents: Vec<Vec<u8>> = (0..64).map(|seed| bytes(2_000, seed)).collect();
    let key =
        |number: usize| chunk(10 + u8::try_from(number % 3).expect("small"), u32::try_from(number).expect("small"));
    let writes = contents.iter().enumerate().map(|(number, content)| write(store, key(number), content, 4));
    futures::future::join_all(writes).await;
    for (number, content) in contents.iter().enumerate() {
        assert_eq!(read(store, key(number), 0, 2_000).await.as_ref(), Some(content));
    }
}

async fn a_removed_transfer_can_be_written_again(store: &dyn BlobStore) {
    let key = chunk(20, 0);
    write(store, key, b"first", 1).await;
    store.remove_transfer(key.transfer_id()).await.expect("removed");
    write(store, key, b"second", 1).await;
    assert_eq!(read(store, key, 0, 6).await.as_deref(), Some(&b"second"[..]));
}

async fn folders_of_transfers_are_listed(store: &dyn BlobStore) {
    for number in 30..33 {
        write(store, chunk(number, 0), b"x", 1).await;
        write(store, chunk(number, 1), b"x", 1).await;
    }
    store.remove_transfer(chunk(31, 0).transfer_id()).await.expect("removed");
    let names: Vec<String> = store.transfers().try_collect().await.expect("listed");
    for (number, times) in [(30, 1), (31, 0), (32, 1)] {
        let id = chunk(number, 0).transfer_id();
        assert_eq!(names.iter().filter(|name| **name == id.as_str()).count(), times, "{number}");
    }
}

async fn blobs_are_listed_with_their_lengths(store: &dyn BlobStore) {
    let key = chunk(33, 0);
    assert!(listed(store, key).await.is_empty(), "there is no such folder");
    for (index, len) in [(0, 5), (100_000, 0), (u32::MAX - 1, 70_000)] {
        write(store, chunk(33, index), &bytes(len, 1), 1).await;
    }
    store.put(BlobKey::Meta(key.transfer_id()), Bytes::from_static(b"{}")).await.expect("put");
    let staged = store.stage(chunk(33, 7), Expected::Exactly(1)).await.expect("staged");
    let expected = [("chunks/0", 5), ("chunks/100000", 0), ("chunks/4294967294", 70_000), ("meta.json", 2)];
    assert_eq!(listed(store, key).await, expected.map(|(name, len)| (name.to_owned(), len)), "not what is staged");
    drop(staged);
    let found: Vec<Listed> = store.blobs_of(key.transfer_id()).try_collect().await.expect("listed");
    for Listed { name, modified, .. } in found {
        assert!(BlobKey::from_name(key.transfer_id(), &name).is_some(), "{name}");
        assert!(modified.as_second() > 1_700_000_000, "a time that has passed, in UTC: {modified}");
    }
}

async fn a_long_list_is_whole(store: &dyn BlobStore) {
    // More than one page of any store.
    let writes = (0..1_205).map(|index| store.put(chunk(34, index), Bytes::from_static(b"abc")));
    let results: Vec<_> = futures::stream::iter(writes).buffer_unordered(32).collect().await;
    assert!(results.iter().all(Result::is_ok));
    let found = listed(store, chunk(34, 0)).await;
    assert_eq!(found.len(), 1_205);
    assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "each once");
    assert!(found.iter().all(|(_, len)| *len == 3));
}

async fn a_list_that_nobody_reads_on_ends(store: &dyn BlobStore) {
    let mut list = store.blobs_of(chunk(34, 0).transfer_id());
    assert!(list.next().await.expect("one").is_ok());
    drop(list);
    assert_eq!(listed(store, chunk(34, 0)).await.len(), 1_205);
}

#[test]
fn a_name_is_a_key_or_none_of_ours() {
    let id = chunk(1, 0).transfer_id();
    let payload = BlobKey::Payload(id, UploadId::from_random_bytes([0xa; 8]));
    for key in [chunk(1, 0), chunk(1, 100_000), chunk(1, u32::MAX - 1), payload, BlobKey::Meta(id)] {
        let path = key.to_string();
        let name = path.strip_prefix(&format!("transfers/{id}/")).expect("below its folder");
        assert_eq!(BlobKey::from_name(id, name), Some(key));
    }
    for name in [
        "",
        "chunks",
        "chunks/",
        "chunks/00",
        "chunks/+1",
        "chunks/4294967295",
        "chunks/1/2",
        "meta.json/",
        "Meta.json",
        "payload",
        "payloads/",
        "payloads/0a0a0a0a0a0a0a0",
        "payloads/0A0A0A0A0A0A0A0A",
        "payloads/+a0a0a0a0a0a0a0a",
    ] {
        assert_eq!(BlobKey::from_name(id, name), None, "{name}");
    }
}
