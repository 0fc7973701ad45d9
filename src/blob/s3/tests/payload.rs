//! Payloads in parts: nothing stays of what was not published, and memory is bounded.

use aws_sdk_s3::types::MultipartUpload;

use super::*;
use crate::blob::StagedBlob;
use crate::store::UploadId;

const PART: usize = 8 * MIB;
/// What nobody sees as long as a test runs.
const UNKNOWN: Expected = Expected::AtMost(1 << 42);

fn payload(number: u8) -> BlobKey {
    BlobKey::Payload(TransferId::from_random_bytes([number; 16]), UploadId::from_random_bytes([7; 8]))
}

/// The uploads of one object that are neither completed nor aborted.
async fn multiparts(store: &S3Store, key: BlobKey) -> Vec<MultipartUpload> {
    let name = store.bucket.name_of(key);
    let list = store.bucket.client.list_multipart_uploads().bucket(&store.bucket.name).prefix(name);
    list.send().await.expect("listed").uploads.unwrap_or_default()
}

/// An abort runs in a task of its own.
async fn none_stays(store: &S3Store, key: BlobKey, what: &str) {
    for _ in 0..300 {
        if multiparts(store, key).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: an upload stays");
}

async fn staged(store: &S3Store, key: BlobKey, expected: Expected, len: usize) -> Box<dyn StagedBlob> {
    let mut staged = store.stage(key, expected).await.expect("staged");
    staged.write(bytes(len, 1)).await.expect("written");
    staged
}

fn seconds_from_now(seconds: i64) -> Timestamp {
    use crate::clock::{Clock as _, SystemClock};
    Timestamp::from_second(SystemClock.now().as_second() + seconds).expect("in range")
}

#[tokio::test]
async fn a_payload_that_is_dropped_leaves_no_upload() {
    for place in ObjectStore::all() {
        for buffer_bytes in [256 << 20, 0] {
            let store = open(place, buffer_bytes).await;
            let free = store.memory_left();
            for (number, expected) in (1..).zip([UNKNOWN, Expected::Exactly(4 * PART as u64)]) {
                let key = payload(number);
                let dropped = staged(&store, key, expected, 3 * PART + 5).await;
                assert_eq!(multiparts(&store, key).await.len(), 1, "{}: it was begun", place.name);
                drop(dropped);
                none_stays(&store, key, place.name).await;
            }
            let mut finished = staged(&store, payload(3), UNKNOWN, 3 * PART).await;
            finished.finish().await.expect("finished");
            drop(finished);
            none_stays(&store, payload(3), place.name).await;
            let mut published = staged(&store, payload(4), UNKNOWN, 3 * PART).await;
            published.finish().await.expect("finished");
            published.publish().await.expect("published");
            assert!(multiparts(&store, payload(4)).await.is_empty(), "{}: it has become the object", place.name);
            assert_eq!(keys(&store).await, [store.bucket.name_of(payload(4))], "{}", place.name);
            assert_eq!(store.memory_left(), free, "{}: all memory is given back", place.name);
        }
    }
}

#[tokio::test]
async fn a_payload_whose_caller_goes_away_at_any_moment_leaves_no_upload() {
    for place in ObjectStore::all() {
        let store = open(place, 256 << 20).await;
        let content = bytes(2 * PART, 1);
        for milliseconds in [0, 1, 2, 4, 8, 16, 32, 64, 128] {
            let mut staged = store.stage(payload(1), Expected::Exactly(3 * PART as u64)).await.expect("staged");
            let writing = staged.write(content.clone());
            let _ = tokio::time::timeout(Duration::from_millis(milliseconds), writing).await;
            drop(staged);
        }
        // One that was just being begun when its caller went.
        tokio::time::sleep(Duration::from_millis(500)).await;
        none_stays(&store, payload(1), place.name).await;
    }
}

#[tokio::test]
async fn what_a_killed_server_left_goes_with_its_transfer_or_after_a_while() {
    for place in ObjectStore::all() {
        let store = open(place, 256 << 20).await;
        for number in 1..=3 {
            // As kill -9 leaves it: nothing runs that could abort it.
            std::mem::forget(staged(&store, payload(number), UNKNOWN, 2 * PART + 1).await);
        }
        let foreign = format!("{}elsewhere/payload", store.bucket.prefix);
        let begun = store.bucket.client.create_multipart_upload().bucket(&store.bucket.name).key(&foreign);
        let begun = begun.send().await.expect("begun");

        store.remove_transfer(payload(1).transfer_id()).await.expect("removed");
        assert!(multiparts(&store, payload(1)).await.is_empty(), "{}: it went with its transfer", place.name);
        assert_eq!(multiparts(&store, payload(2)).await.len(), 1, "{}: the others stay", place.name);
        assert_eq!(store.remove_abandoned(seconds_from_now(-3600)).await.expect("looked for"), 0, "{}", place.name);
        assert_eq!(multiparts(&store, payload(2)).await.len(), 1, "{}: a part came a moment ago", place.name);
        assert_eq!(store.remove_abandoned(seconds_from_now(60)).await.expect("removed"), 2, "{}", place.name);
        for number in 2..=3 {
            assert!(multiparts(&store, payload(number)).await.is_empty(), "{}", place.name);
        }
        let list = store.bucket.client.list_multipart_uploads().bucket(&store.bucket.name).prefix(&foreign);
        assert_eq!(list.send().await.expect("listed").uploads().len(), 1, "{}: none of ours", place.name);
        let abort = store.bucket.client.abort_multipart_upload().bucket(&store.bucket.name).key(&foreign);
        abort.set_upload_id(begun.upload_id).send().await.expect("aborted");
    }
}

#[tokio::test]
async fn a_payload_that_is_still_arriving_is_not_abandoned_however_long_ago_it_began() {
    for place in ObjectStore::all() {
        let store = open(place, 256 << 20).await;
        let mut arriving = staged(&store, payload(1), UNKNOWN, PART + 1).await;
        tokio::time::sleep(Duration::from_millis(3_000)).await;
        let between = seconds_from_now(-1);
        arriving.write(bytes(PART, 1)).await.expect("written");
        // Its second part is stored once the third begins.
        arriving.write(bytes(4 * PART, 1)).await.expect("written");
        assert_eq!(store.remove_abandoned(between).await.expect("looked for"), 0, "{}", place.name);
        arriving.finish().await.expect("finished");
        arriving.publish().await.expect("published");
        assert_eq!(store.len(payload(1)).await.expect("answered"), Some(6 * PART as u64 + 1), "{}", place.name);
    }
}

#[tokio::test]
async fn a_payload_whose_transfer_is_removed_meanwhile_is_not_published() {
    for place in ObjectStore::all() {
        let store = open(place, 256 << 20).await;
        let mut staged = staged(&store, payload(1), UNKNOWN, 2 * PART).await;
        staged.finish().await.expect("finished");
        store.remove_transfer(payload(1).transfer_id()).await.expect("removed");
        assert!(staged.publish().await.is_err(), "{}", place.name);
        assert!(keys(&store).await.is_empty(), "{}", place.name);
    }
}

/// Whoever announces a length and sends a byte now and then keeps nobody from storing what must be gathered.
#[tokio::test]
async fn slow_clients_do_not_hold_all_memory() {
    for place in ObjectStore::all() {
        // Memory for four parts.
        let store = open(place, 0).await;
        let mut slow = Vec::new();
        for number in 1..=6 {
            slow.push(staged(&store, payload(number), Expected::Exactly(2 * PART as u64), 1).await);
        }
        let mut quick = staged(&store, payload(7), UNKNOWN, PART + 1).await;
        quick.finish().await.expect("finished");
        quick.publish().await.expect("published");
        for mut slow in slow {
            slow.write(bytes(2 * PART - 1, 1)).await.expect("written");
            slow.finish().await.expect("finished");
            slow.publish().await.expect("published");
        }
        assert_eq!(keys(&store).await.len(), 7, "{}", place.name);
    }
}

/// A MiB that tells where in the payload it stands.
fn stamped(number: u64, piece: &[u8]) -> Bytes {
    [&number.to_be_bytes(), &piece[8..]].concat().into()
}

/// With `make soak` beyond what 32 bits count.
fn gibibytes() -> u64 {
    if std::env::var_os("HAULIER_SOAK").is_some() { 5 } else { 1 }
}

#[tokio::test]
async fn a_gibibyte_takes_five_parts_of_memory_at_most() {
    let garage = ObjectStore::all().into_iter().find(|store| store.name == "Garage").expect("one of all");
    let (len, mib) = (gibibytes() << 30, MIB as u64);
    for (expected, buffer_bytes) in [(UNKNOWN, 256 << 20), (Expected::Exactly(len), 0)] {
        let store = open(garage, buffer_bytes).await;
        let (piece, free) = (bytes(MIB, 1), store.memory_left());
        let mut staged = store.stage(payload(1), expected).await.expect("staged");
        let mut most = 0;
        for number in 0..len / mib {
            staged.write(stamped(number, &piece)).await.expect("written");
            most = most.max(free - store.memory_left());
        }
        staged.finish().await.expect("finished");
        staged.publish().await.expect("published");
        println!("{expected:?}, buffer {buffer_bytes}: {} MiB of memory at the most", most / MIB);
        assert!(most > 0 && most <= 5 * PART, "{expected:?}, buffer {buffer_bytes}: {most} bytes");
        assert_eq!(store.memory_left(), free, "all of it is given back");
        assert_eq!(store.len(payload(1)).await.expect("answered"), Some(len));
        for number in [0, len / mib / 2, len / mib - 2] {
            let (start, end) = (number * mib + 3, (number + 2) * mib - 3);
            let part = store.read(payload(1), start..end).await.expect("answered").expect("there");
            let part: Vec<Bytes> = part.into_stream().try_collect().await.expect("read");
            let whole = [stamped(number, &piece), stamped(number + 1, &piece)].concat();
            assert!(part.concat() == whole[3..2 * MIB - 3], "bytes {start} to {end}");
        }
        store.remove_transfer(payload(1).transfer_id()).await.expect("removed");
    }
}

/// A way to the store on which every third connection breaks when half a MiB has gone up.
async fn breaking_way(to: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        for number in 0_u32.. {
            let (mut client, _) = listener.accept().await.expect("a connection");
            let mut store = tokio::net::TcpStream::connect(&to).await.expect("the store");
            let most = if number % 3 == 2 { MIB as u64 / 2 } else { u64::MAX };
            tokio::spawn(async move {
                let ((from_client, mut to_client), (mut from_store, mut to_store)) = (client.split(), store.split());
                let mut up = tokio::io::AsyncReadExt::take(from_client, most);
                tokio::select! {
                    _ = tokio::io::copy(&mut up, &mut to_store) => {}
                    _ = tokio::io::copy(&mut from_store, &mut to_client) => {}
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn each_part_is_tried_again_by_itself() {
    for place in ObjectStore::all().into_iter().filter(|place| ["Garage", "MinIO"].contains(&place.name)) {
        let direct = open(place, 0).await;
        let url = place.url(direct.bucket.prefix.trim_end_matches('/'));
        let endpoint = url.split_once("endpoint=http://").expect("plain HTTP").1;
        let endpoint = endpoint.split('&').next().expect("an address");
        let url = url.replace(endpoint, &breaking_way(endpoint.to_owned()).await);
        let store = open_url(&url, place, 256 << 20).await.expect("opens");
        let content = bytes(6 * PART + 5, 1);
        for (number, expected) in (1..).zip([UNKNOWN, Expected::Exactly(content.len() as u64)]) {
            let mut staged = store.stage(payload(number), expected).await.expect("staged");
            for piece in content.chunks(MIB) {
                staged.write(Bytes::copy_from_slice(piece)).await.expect("written");
            }
            staged.finish().await.expect("finished");
            staged.publish().await.expect("published");
            let found = read_all(&direct, payload(number), content.len()).await.expect("there");
            assert!(found == content, "{}: {expected:?}", place.name);
        }
    }
}
