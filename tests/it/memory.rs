//! Memory is bounded by configuration, never by sizes or by slowness.

use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server, ServerOptions};

const MIB: u64 = 1 << 20;
const MOST_RSS_BYTES: u64 = 150 * MIB;

fn assert_small(server: &Server, during: &str) {
    let peak = server.peak_rss_bytes();
    assert!(peak <= MOST_RSS_BYTES, "{during}: {} MiB at the peak", peak / MIB);
}

#[tokio::test]
async fn eight_uploads_of_8_mib_chunks_stay_under_150_mib() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(64 * 8 * MIB, 8 * MIB);
    sample.create(&http).await.ok();
    stream::iter(0..64)
        .map(|index| {
            let (http, sample) = (&http, &sample);
            async move { sample.put(http, index, 0).await.ok() }
        })
        .buffer_unordered(8)
        .for_each(|_| async {})
        .await;
    assert_small(&server, "8 uploads at once");
    sample.complete(&http).await.ok();

    stream::iter(0..64)
        .map(|index| {
            let (http, sample) = (&http, &sample);
            async move { assert_eq!(sample.get(http, index).await.ok().body.len() as u64, 8 * MIB + 28) }
        })
        .buffer_unordered(8)
        .for_each(|()| async {})
        .await;
    assert_small(&server, "8 downloads at once");
}

#[tokio::test]
async fn sixty_four_slow_clients_stay_under_150_mib() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(64 * 8 * MIB, 8 * MIB);
    sample.create(&http).await.ok();
    let uploads = join_all((0..64).map(|index| half_an_upload(&server, &sample, index))).await;
    assert_small(&server, "64 uploads that stopped half way");
    drop(uploads);

    let small = Sample::new(8 * MIB, 8 * MIB);
    small.send(&http).await;
    let downloads = join_all((0..64).map(|_| a_download_that_is_not_read(&server, &small))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_small(&server, "64 downloads that nobody reads");
    drop(downloads);
    small.get(&http, 0).await.ok();
}

#[tokio::test]
async fn requests_beyond_the_configured_number_are_told_to_come_back() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_MAX_REQUESTS", "4"));
    let http = Http::new(&server);
    let sample = Sample::new(8 * 8 * MIB, 8 * MIB);
    sample.create(&http).await.ok();
    let uploads = join_all((0..4).map(|index| half_an_upload(&server, &sample, index))).await;
    let refused = sample.put(&http, 5, 0).await;
    assert_eq!(refused.header("retry-after"), "5");
    refused.is(ProblemType::Unavailable);
    // However the path is spelled.
    Reply::to(http.get(&format!("/api/%74ransfers/info/{}", sample.id))).await.is(ProblemType::Unavailable);
    Reply::to(http.get("/healthz")).await.ok();
    Reply::to(http.get("/api/config")).await.ok();
    drop(uploads);
    // The server notices that they are gone.
    for _ in 0..100 {
        if sample.put(&http, 5, 0).await.status.is_success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the places were not given back");
}

/// Sends half of a chunk, in pieces, and then nothing; the connection stays open.
async fn half_an_upload(server: &Server, sample: &Sample, index: u32) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.expect("connects");
    let body = sample.chunk(index, 0);
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OWNER_TOKEN}\r\ncontent-length: {}\r\n\r\n",
        sample.chunk_path(index),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.expect("written");
    for piece in body[..body.len() / 2].chunks(100_000) {
        socket.write_all(piece).await.expect("written");
        tokio::task::yield_now().await;
    }
    socket
}

async fn a_download_that_is_not_read(server: &Server, sample: &Sample) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.expect("connects");
    let head = format!(
        "GET /api/transfers/download/{} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DOWNLOAD_TOKEN}\r\n\r\n",
        sample.id
    );
    socket.write_all(head.as_bytes()).await.expect("written");
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.expect("an answer begins");
    assert_eq!(&first, b"HTTP/1.1 200");
    socket
}
