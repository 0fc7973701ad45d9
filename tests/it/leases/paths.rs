//! Every way to read, and what becomes of it in the middle.

use std::time::Duration;

use haulier_wire::ProblemType;
use haulier_wire::api::{CreateRequest, TransferState};
use haulier_wire::number::ByteLen;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Guest, counts, info, is_clear, limited, send, whole, with_limit};
use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server, ServerOptions, eventually};

/// Far more than sockets hold.
const LARGE: u64 = 48 << 20;
const MIB: u64 = 1 << 20;

async fn large(http: &Http, more: impl FnOnce(CreateRequest) -> CreateRequest) -> Sample {
    let sample = Sample::new(LARGE, 16 * MIB);
    send(http, &sample, &more(with_limit(sample.create_request(), 1))).await;
    sample
}

/// Asks for something, and has read some of the answer.
async fn begun(server: &Server, path: &str, headers: &str) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(server.address()).await.expect("connects");
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DOWNLOAD_TOKEN}\r\n{headers}\r\n");
    socket.write_all(head.as_bytes()).await.expect("sent");
    let mut some = vec![0; 1000];
    socket.read_exact(&mut some).await.expect("an answer");
    assert!(some.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&some));
    (socket, some)
}

/// Takes the place as soon as it is free.
pub(super) async fn soon_free(guest: &Guest<'_>) {
    for _ in 0..1000 {
        let reply = guest.take().await;
        if reply.status.is_success() {
            return;
        }
        is_clear(reply);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place did not come back");
}

#[tokio::test]
async fn an_aborted_download_gives_its_place_back() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = large(&http, |request| request).await;
    let guest = Guest::new(&http, &sample, 1);
    let path = format!("/api/transfers/download/{}", sample.id);
    let (socket, _) = begun(&server, &path, "").await;
    guest.take().await.is(ProblemType::PlacesTaken);
    drop(socket);
    soon_free(&guest).await;
    assert_eq!(counts(&http, &sample).await, (0, 1));
    assert_eq!(guest.give_back().await, haulier_wire::api::LeaseEnd::GivenBack);
    let reply = whole(&http, &sample).await;
    assert!(reply.ok().body == sample.whole());
    assert_eq!(counts(&http, &sample).await, (1, 0));
}

/// Bytes that the kernel sends are paid for like others, step by step.
#[tokio::test]
async fn a_chunk_is_paid_in_steps_while_it_leaves() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = large(&http, |request| request).await;
    let guest = Guest::new(&http, &sample, 1);
    let charged = async || guest.taken().await.charged_bytes.get();
    assert_eq!(charged().await, 0);
    let path = format!("/api/transfers/download/{}/chunk/0", sample.id);
    let (socket, _) = begun(&server, &path, &format!("haulier-lease: {}\r\n", guest.token)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let paid = charged().await;
    assert!((1..16 * MIB).contains(&paid), "{paid} bytes of a chunk that nobody reads");
    drop(socket);
    guest.chunk(1).await.ok();
    guest.chunk(2).await.ok();
    assert!(charged().await >= 32 * MIB);
    assert_eq!(counts(&http, &sample).await, (0, 1), "a third of it was not read");
    guest.chunk(0).await.ok();
    assert_eq!(counts(&http, &sample).await, (1, 0));
}

#[tokio::test]
async fn what_runs_at_the_end_may_finish() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = Server::start_with(ServerOptions::default().data_dir(&data));
    let http = Http::new(&server);
    let other = limited(&http, 2, 1).await;
    let expires = |request| CreateRequest { expires_in_seconds: ByteLen::new(2), ..request };
    let sample = large(&http, expires).await;
    let path = format!("/api/transfers/download/{}", sample.id);
    let (mut socket, mut read) = begun(&server, &path, "connection: close\r\n").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    sample.info(&http).await.is(ProblemType::TransferExpired);
    // A sweep comes by meanwhile.
    other.delete(&http).await.ok();
    let gone = data.join(format!("blobs/transfers/{}", other.id));
    eventually("what was deleted is swept", || !gone.exists()).await;
    assert!(
        data.join(format!("blobs/transfers/{}/meta.json", sample.id)).exists(),
        "what has expired is kept for a while"
    );
    socket.read_to_end(&mut read).await.expect("the rest");
    assert!(read.ends_with(&sample.whole()), "expiry stops what begins, not what runs");
}

#[tokio::test]
async fn nothing_is_read_after_the_end() {
    let server = Server::start();
    let http = Http::new(&server);
    let (deleted, expired) = (limited(&http, 2, 2).await, Sample::new(65_536, 65_536));
    let request = with_limit(expired.create_request(), 2);
    send(&http, &expired, &CreateRequest { expires_in_seconds: ByteLen::new(1), ..request }).await;
    let guests = [Guest::new(&http, &deleted, 1), Guest::new(&http, &expired, 1)];
    for guest in &guests {
        guest.taken().await;
        guest.chunk(0).await.ok();
    }
    deleted.delete(&http).await.ok();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (guest, kind) in guests.iter().zip([ProblemType::TransferDeleted, ProblemType::TransferExpired]) {
        for route in ["download/ID", "download/ID/chunk/0", "manifest/ID", "info/ID"] {
            guest.read(route).await.is(kind);
        }
        guest.take().await.is(kind);
        guest.commit().await.is(kind);
        Reply::to(guest.request(reqwest::Method::DELETE, "lease/ID")).await.is(kind);
        guest.sample.patch(&http, "{\"max_downloads\":5}").await.is(kind);
    }
}

#[tokio::test]
async fn a_part_of_the_whole_takes_a_place_while_it_travels() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 4, 1).await;
    let path = format!("/api/transfers/download/{}", sample.id);
    let quarter = 65_564;
    for part in 0..4_u64 {
        let range = format!("bytes={}-{}", part * quarter, (part + 1) * quarter - 1);
        let reply = Reply::to(http.get(&path).bearer_auth(DOWNLOAD_TOKEN).header("range", range)).await;
        assert_eq!(reply.ok().status, 206, "{part}");
    }
    assert_eq!(counts(&http, &sample).await, (1, 0), "four quarters are one download");
    assert_eq!(info(&http, &sample).await.status, TransferState::Exhausted);
}
