//! Payloads that no memory holds: up and down, on disk and in an object store.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use reqwest::Body;
use serde_json::{Value, json};

use super::{complete, create, upload};
use crate::harness::{Http, Server, ServerOptions};
use crate::s3::Objects;

const MIB: u64 = 1 << 20;
const MOST_RSS_BYTES: u64 = 200 * MIB;

/// Piece `number` of a payload: 1 MiB that no other piece is like.
fn piece(number: u64) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_be_bytes());
    let mut bytes = vec![0; 1 << 20];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn digest(mib: u64) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    (0..mib).for_each(|number| {
        hasher.update(&piece(number));
    });
    hasher.finalize()
}

async fn digest_of(http: &Http, path: &str) -> (u64, blake3::Hash) {
    let response = http.get(path).timeout(Duration::from_mins(30)).send().await.expect("a reply");
    assert_eq!(response.status().as_u16(), 200);
    let (mut hasher, mut len) = (blake3::Hasher::new(), 0);
    let mut bytes = response.bytes_stream();
    while let Some(piece) = bytes.next().await {
        let piece = piece.expect("whole");
        hasher.update(&piece);
        len += piece.len() as u64;
    }
    (len, hasher.finalize())
}

/// One payload up, with or without a length, and down again, also as base64.
async fn up_and_down(server: &Server, mib: u64, is_announced: bool) {
    let http = Http::new(server);
    let id = create(&http, &json!({ "file_size_bytes": mib * MIB })).await;
    let body = Body::wrap_stream(stream::iter(0..mib).map(|number| Ok::<_, std::io::Error>(piece(number))));
    let reply = if is_announced {
        let request = http.post(&format!("/api/transfers/upload/{id}")).header("content-length", mib * MIB);
        crate::harness::Reply::to(request.body(body).timeout(Duration::from_mins(30))).await
    } else {
        upload(&http, &id, body).await
    };
    assert_eq!(reply.ok().json::<Value>()["size"], mib * MIB);
    complete(&http, &id).await.ok();
    let found = digest_of(&http, &format!("/api/transfers/download/{id}")).await;
    assert_eq!(found, (mib * MIB, digest(mib)));
    let (base64_len, _) = digest_of(&http, &format!("/api/transfers/download-base64/{id}")).await;
    assert!(base64_len > mib * MIB * 4 / 3);
    let peak = server.peak_rss_bytes();
    assert!(peak <= MOST_RSS_BYTES, "{} MiB at the peak", peak / MIB);
}

/// `make soak` sends 5 GiB.
fn large_mib() -> u64 {
    if std::env::var_os("HAULIER_SOAK").is_some() { 5 << 10 } else { 300 }
}

#[tokio::test]
async fn a_payload_of_any_size_goes_through_a_small_server() {
    let server = Server::start();
    up_and_down(&server, large_mib(), true).await;
    up_and_down(&server, 40, false).await;
}

#[tokio::test]
async fn payloads_go_to_an_object_store_in_parts() {
    let objects = Objects::on_garage();
    // The memory for parts is most of what this server may have.
    let options = ServerOptions::default().env("HAULIER_S3_BUFFER", "64MiB");
    let (server, _) = objects.serve_at(&objects.url, options).await;
    up_and_down(&server, 60, true).await;
    up_and_down(&server, 60, false).await;
    up_and_down(&server, 2, true).await;
}
