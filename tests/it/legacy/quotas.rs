//! Quotas hold for payloads whose length nobody announced, and for uploads of one transfer side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use haulier_wire::ProblemType;
use haulier_wire::api::ServerConfig;
use reqwest::Body;
use serde_json::json;

use super::{DELETE_HASH, complete, create, delete, upload};
use crate::harness::{Connection, Http, Reply, Server, ServerOptions};

const MIB: u64 = 1 << 20;

fn serve(quota: u64) -> (Server, Http) {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_MAX_TOTAL_SIZE", quota.to_string()));
    let http = Http::new(&server);
    (server, http)
}

async fn left(http: &Http) -> u64 {
    let config: ServerConfig = Reply::to(http.get("/api/config")).await.ok().json();
    config.left_bytes.expect("a limit").get()
}

async fn soon(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..100 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not yet: {what}");
}

/// A body that does not say how long it is, and how much of it was taken.
fn endless(pieces: u64) -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let pieces = stream::iter(0..pieces).map(move |_| {
        counter.fetch_add(MIB, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from(vec![7; usize::try_from(MIB).expect("small")]))
    });
    (Body::wrap_stream(pieces), taken)
}

#[tokio::test]
async fn an_upload_without_a_length_is_counted_while_it_arrives() {
    let (_server, http) = serve(5 * MIB);
    let id = create(&http, &json!({})).await;
    let (body, taken) = endless(4096);
    let request = http.post(&format!("/api/transfers/upload/{id}")).body(body);
    // The server may answer, or cut the connection while the rest is still on its way.
    if let Ok(reply) = Reply::try_to(request).await {
        reply.is(ProblemType::QuotaExceeded);
    }
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < 64 * MIB, "it was not taken to its end: {taken}");
    let (body, _) = endless(5);
    upload(&http, &id, body).await.ok();
    complete(&http, &id).await.ok();
    assert_eq!(left(&http).await, 0);
}

#[tokio::test]
async fn uploads_of_one_transfer_side_by_side_count_together() {
    let (server, http) = serve(MIB);
    let id = create(&http, &json!({})).await;
    let mut stalled = Connection::open(&server).await;
    stalled
        .send(format!("POST /api/transfers/upload/{id} HTTP/1.1\r\nhost: x\r\ncontent-length: 600000\r\n\r\nfew"))
        .await;
    soon("it is counted", async || left(&http).await == MIB - 600_000).await;
    upload(&http, &id, vec![7; 600_000]).await.is(ProblemType::QuotaExceeded);
    upload(&http, &id, vec![7; 100_000]).await.ok();
    assert_eq!(left(&http).await, MIB - 700_000);
    drop(stalled);
    soon("what has ended counts no longer", async || upload(&http, &id, vec![7; 1_000_000]).await.status == 200).await;
}

/// What counts for nothing must not fill the disk: nobody waits for the end of a body that comes too late.
#[tokio::test]
async fn an_upload_ends_soon_after_its_transfer_takes_no_more() {
    let (server, http) = serve(MIB);
    let by_complete = create(&http, &json!({})).await;
    let by_delete = create(&http, &json!({ "delete_auth_hash": DELETE_HASH })).await;
    upload(&http, &by_complete, "x").await.ok();
    let mut stalled = Vec::new();
    for id in [&by_complete, &by_delete] {
        let mut connection = Connection::open(&server).await;
        let head = format!("POST /api/transfers/upload/{id} HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\nfew");
        connection.send(head).await;
        stalled.push(connection);
    }
    soon("both are counted", async || left(&http).await < MIB - 600_000 + 2).await;
    complete(&http, &by_complete).await.ok();
    delete(&http, &by_delete, "foo").await.ok();
    for mut connection in stalled {
        let begun = Instant::now();
        assert_eq!(connection.reply().await.expect("an answer").status, 404);
        assert!(begun.elapsed() < Duration::from_secs(20), "long before its time is over");
    }
}
