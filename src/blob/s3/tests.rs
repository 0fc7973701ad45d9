//! Garage and MinIO keep the contract, and what is particular to object stores.

#[expect(dead_code, reason = "tests/it needs more of it")]
#[path = "../../../tests/it/harness/object_store.rs"]
mod object_store;

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream as ObjectBytes;
use futures::TryStreamExt as _;
use haulier_wire::ChunkIndex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::contract;
use super::body::Form;
use super::*;
use crate::config::BlobLocation;
use crate::entropy::SystemEntropy;
use object_store::ObjectStore;

mod payload;
mod read;

const MIB: usize = 1 << 20;

/// What this store has below a prefix that no other test uses.
async fn open(store: &ObjectStore, buffer_bytes: u64) -> S3Store {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("unit-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
    let opened = open_url(&store.url(&prefix), store, buffer_bytes).await;
    opened.unwrap_or_else(|error| panic!("{}: {error:#}", store.name))
}

async fn open_url(url: &str, store: &ObjectStore, buffer_bytes: u64) -> anyhow::Result<S3Store> {
    let BlobLocation::S3(location) = BlobLocation::parse(url)? else { panic!("an S3 URL") };
    let credentials = Credentials::new(&store.access_key, &store.secret_key, None, None, "test");
    let region = Region::new(location.region.clone().expect("the tests name it"));
    let credentials = SharedCredentialsProvider::new(credentials);
    S3Store::open_with(&location, region, credentials, buffer_bytes, Arc::new(SystemEntropy)).await
}

fn chunk(transfer: u8, index: u32) -> BlobKey {
    BlobKey::Chunk(TransferId::from_random_bytes([transfer; 16]), ChunkIndex::new(index).expect("in range"))
}

fn bytes(len: usize, seed: u8) -> Bytes {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("haulier test").update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

async fn read_all(store: &S3Store, key: BlobKey, len: usize) -> Option<Vec<u8>> {
    let stream = store.read(key, 0..len as u64).await.expect("answered")?;
    let pieces: Vec<Bytes> = stream.into_stream().try_collect().await.expect("read to the end");
    Some(pieces.concat())
}

async fn keys(store: &S3Store) -> Vec<String> {
    let list = store.bucket.client.list_objects_v2().bucket(&store.bucket.name).prefix(&store.bucket.prefix);
    let page = list.send().await.expect("listed");
    page.contents().iter().map(|object| object.key().expect("a key").to_owned()).collect()
}

#[tokio::test]
async fn keeps_the_contract_with_memory_for_other_tries() {
    for store in ObjectStore::all() {
        contract::run(&open(store, 256 << 20).await).await;
    }
}

#[tokio::test]
async fn keeps_the_contract_without() {
    for store in ObjectStore::all() {
        contract::run(&open(store, 0).await).await;
    }
}

#[tokio::test]
async fn a_put_that_is_cut_short_leaves_nothing_or_what_was_there() {
    for place in ObjectStore::all() {
        for buffer_bytes in [256 << 20, 0] {
            let store = open(place, buffer_bytes).await;
            for (number, content) in [None, Some(bytes(3 * MIB, 1))].into_iter().enumerate() {
                let key = chunk(1, u32::try_from(number).expect("small"));
                if let Some(content) = &content {
                    store.put(key, content.clone()).await.expect("put");
                }
                let mut staged = store.staged(key, 3 * MIB as u64).expect("staged");
                staged.write(bytes(3 * MIB, 2)).await.expect("written");
                staged.finish().await.expect("finished");
                assert_eq!(staged.is_under_way(), buffer_bytes == 0, "{}", place.name);
                tokio::time::sleep(Duration::from_millis(300)).await;
                drop(staged);
                // The store needs a moment to notice; what it then has stays.
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    let found = read_all(&store, key, 3 * MIB).await;
                    assert!(found.as_deref() == content.as_deref(), "{}", place.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_thousand_and_one_objects_are_removed_and_no_other() {
    for place in ObjectStore::all() {
        let store = open(place, 0).await;
        let (gone, kept) = (TransferId::from_random_bytes([1; 16]), TransferId::from_random_bytes([2; 16]));
        store.put(BlobKey::Meta(gone), bytes(10, 1)).await.expect("put");
        store.put(BlobKey::Meta(kept), bytes(10, 1)).await.expect("put");
        let puts = (0..1001).map(|index| store.put(chunk(1, index), bytes(1, 1)));
        futures::stream::iter(puts.map(Ok)).try_for_each_concurrent(32, |put| put).await.expect("put");
        // Not ours, and what an XML document cannot name: on the way out all the same.
        for strange in ["a b+c", "\u{1}", "folder/", "\u{e9}%2F&="] {
            let name = format!("{}transfers/{gone}/{strange}", store.bucket.prefix);
            let put = store.bucket.client.put_object().bucket(&store.bucket.name).key(name);
            put.send().await.expect(place.name);
        }
        store.remove_transfer(gone).await.expect("removed");
        assert_eq!(keys(&store).await, [store.bucket.name_of(BlobKey::Meta(kept))], "{}", place.name);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_that_says_so() {
    for place in ObjectStore::all() {
        let url = place.url("x").replace("s3://haulier-test", "s3://haulier-absent").replace("&create=true", "");
        let error = open_url(&url, place, 0).await.expect_err(place.name);
        assert!(format!("{error:#}").contains("haulier-absent"), "{}: {error:#}", place.name);
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_once_and_not_told() {
    for place in ObjectStore::all() {
        let BlobLocation::S3(location) = BlobLocation::parse(&place.url("x")).expect("a URL") else { panic!() };
        let credentials = Credentials::new(&place.access_key, "hunter2-hunter2-hunter2", None, None, "test");
        let region = Region::new(location.region.clone().expect("named"));
        let credentials = SharedCredentialsProvider::new(credentials);
        let opened = S3Store::open_with(&location, region, credentials, 0, Arc::new(SystemEntropy)).await;
        let error = format!("{:#}", opened.expect_err(place.name));
        assert!(error.contains("403") && !error.contains("hunter2"), "{}: {error}", place.name);
    }
}

/// The signed address of an object, as the client would ask for it.
async fn address(url: &str) -> String {
    let BlobLocation::S3(location) = BlobLocation::parse(url).expect("a URL") else { panic!("an S3 URL") };
    let soon = PresigningConfig::expires_in(Duration::from_secs(60)).expect("a time");
    let object = bucket_at(&location).client.get_object().bucket(&location.bucket).key("a/b");
    let address = object.presigned(soon).await.expect("signed").uri().to_owned();
    address.split('?').next().expect("a path").to_owned()
}

#[tokio::test]
async fn the_bucket_stands_where_path_style_says() {
    for (url, expected) in [
        ("s3://bucket?endpoint=https://store.example:3900&region=r", "https://store.example:3900/bucket/a/b"),
        ("s3://bucket?endpoint=https://store.example&region=r&path_style=false", "https://bucket.store.example/a/b"),
        ("s3://bucket?endpoint=http://127.0.0.1:3900&region=r&path_style=false", "http://127.0.0.1:3900/bucket/a/b"),
        ("s3://bucket?region=eu-central-1", "https://bucket.s3.eu-central-1.amazonaws.com/a/b"),
        ("s3://bucket?region=eu-central-1&path_style=true", "https://s3.eu-central-1.amazonaws.com/bucket/a/b"),
    ] {
        assert_eq!(address(url).await, expected, "{url}");
    }
}

#[tokio::test]
async fn nothing_secret_is_in_the_debug_output() {
    for place in ObjectStore::all() {
        let shown = format!("{:?}", open(place, 0).await);
        assert!(!shown.contains(&place.secret_key) && !shown.contains(&place.access_key), "{shown}");
    }
}

#[tokio::test]
async fn a_slow_store_slows_the_writer_down_when_nothing_may_be_kept() {
    // A store that accepts and never reads: the kernel takes some, and then nobody.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("s3://b?endpoint=http://{}&region=r", listener.local_addr().expect("an address"));
    let BlobLocation::S3(location) = BlobLocation::parse(&url).expect("a URL") else { panic!() };
    let flow = Flow::new(64 * MIB as u64, Keeping::No);
    let bucket = bucket_at(&location);
    let mut staged = StagedObject::new(Arc::new(bucket), "x".to_owned(), Some(Target::Object), flow);
    let mut written = 0;
    let piece = bytes(64 << 10, 1);
    while let Ok(result) = tokio::time::timeout(Duration::from_secs(2), staged.write(piece.clone())).await {
        result.expect("not failed yet");
        written += piece.len();
        assert!(written < 32 * MIB, "nothing holds the writer back");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("s3://b?endpoint=http://{}&region=r", listener.local_addr().expect("an address"));
    let BlobLocation::S3(location) = BlobLocation::parse(&url).expect("a URL") else { panic!() };
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n<?xml version=\"1.0\"?><ListBucketResult>";
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 37\r\n\r\n<ListBucketResult></ListBucketResult>";
    let asked = tokio::spawn(async move {
        for answer in [cut, whole] {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let read = socket.read(&mut [0; 8 << 10]).await.expect("a request");
            assert!(read > 0);
            socket.write_all(answer.as_bytes()).await.expect("written");
        }
    });
    let bucket = bucket_at(&location);
    remove::all_below(&bucket, "transfers/").await.expect("nothing is there");
    asked.await.expect("asked twice");
}

fn bucket_at(location: &S3Location) -> Bucket {
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let region = Region::new(location.region.clone().expect("named"));
    S3Store::bucket(location, region, SharedCredentialsProvider::new(credentials), Arc::new(SystemEntropy))
}

#[tokio::test]
async fn the_store_compares_the_checksum_that_goes_ahead_of_a_body() {
    for place in ObjectStore::all() {
        let store = open(place, 0).await;
        for (crc32c, is_right) in [(0xE306_9283, true), (0xE306_9284, false)] {
            let put = store.bucket.client.put_object().bucket(&store.bucket.name);
            let put = put.key(format!("{}checked", store.bucket.prefix)).body(ObjectBytes::from_static(b"123456789"));
            let sent = put.customize().interceptor(Form::Plain { len: 9, crc32c }).send().await;
            assert_eq!(sent.is_ok(), is_right, "{}: {sent:?}", place.name);
        }
    }
}
