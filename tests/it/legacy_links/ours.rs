//! The same commands against our own server, which answers the legacy system's routes with ranges and limits.

use std::sync::atomic::{AtomicBool, Ordering};

use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount};

use super::KEY;
use super::send::{node_opens, send};
use crate::harness::{Action, Haulier, Http, Proxy, Reply, Server, random_bytes, sha256_of};

#[tokio::test]
async fn what_is_sent_to_our_server_goes_on_by_range_and_node_opens_it() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    let haulier = Haulier::new();
    let path = haulier.file("a.bin", &random_bytes(5 << 20));
    let sent = send(&haulier, server.url(), &["a.bin"]).await;
    let (id, link) = (sent["transfer_id"].as_str().expect("an id"), sent["link"].as_str().expect("a link"));
    assert!(sent["expires_at"].is_string(), "our server says when it ends");
    let blob = Reply::to(Http::new(&server).get(&format!("/api/transfers/download/{id}"))).await.ok();
    let blob = haulier.file("blob", &blob.body);
    assert_eq!(node_opens(&blob, link.rsplit('/').next().expect("a key"))["sha256"], sha256_of(&path));

    let is_first = AtomicBool::new(true);
    proxy.on(move |request| {
        if request.is("GET", "/download/") && is_first.swap(false, Ordering::Relaxed) {
            return Action::CutAnswerAfter(3 << 20);
        }
        Action::Pass
    });
    let link = link.replace(server.url(), proxy.url());
    let output = haulier.run(["get", &link, "-o", "got.bin"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sha256_of(&haulier.home().join("got.bin")), sha256_of(&path));
    let ranges = proxy.record().all();
    let ranges: Vec<_> = ranges
        .iter()
        .filter(|exchange| exchange.request.is("GET", "/download/"))
        .map(|exchange| exchange.request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("range")))
        .collect();
    assert_eq!(ranges, [false, true], "the second asks for the rest");
}

#[tokio::test]
async fn a_limit_of_downloads_holds() {
    let server = Server::start();
    let haulier = Haulier::new();
    haulier.file("a.txt", b"hello");
    let sent = send(&haulier, server.url(), &["a.txt", "--downloads", "1"]).await;
    let link = sent["link"].as_str().expect("a link");
    let output = haulier.run(["get", link, "-o", "one"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = haulier.run(["get", link, "-o", "two"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!haulier.home().join("two").exists());
}

#[tokio::test]
async fn chunks_under_12_digits_are_read_as_chunks() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = "a1b2c3d4e5f6";
    let request = CreateRequest {
        transfer_id: Some(id.parse().expect("an id")),
        total_chunks: ChunkCount::MIN,
        chunk_size: ByteLen::new(1 << 20).expect("in range"),
        file_size: ByteLen::new(5).expect("in range"),
        encryption: Encryption::v1(IvStrategy::Counter),
        sealed_metadata: None,
        key_check: None,
        kdf: None,
        expires_in_seconds: None,
        expires_at: None,
        max_downloads: None,
        owner_token_hash: None,
        download_token_hash: None,
    };
    Reply::to(http.post("/api/transfers/create").json(&request)).await.ok();
    let chunk = concat!(env!("CARGO_MANIFEST_DIR"), "/testvectors/legacy-send/chunk_t1_0.bin");
    let put = http.put(&format!("/api/transfers/upload/{id}/chunk/0"));
    Reply::to(put.body(std::fs::read(chunk).expect("the vector"))).await.ok();
    Reply::to(http.post(&format!("/api/transfers/complete/{id}"))).await.ok();
    let haulier = Haulier::new();
    let output = haulier.run(["get", &format!("{}/en-gb/download/#{id}/{KEY}", server.url())]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(haulier.home().join(id)).expect("under its id"), [0, 1, 2, 3, 4]);
}
