//! A store that is away, or breaks off: 503 with Retry-After, not ready, and all is well when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use haulier_wire::ProblemType;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Reply, Sample, ServerOptions};

use super::{Objects, everywhere};

/// What a connection carries that breaks: two chunks of 1 MiB, and a part of the third.
const MOST_BYTES: u64 = 5 << 19;

/// A relay to a store, which can be away, and breaks connections that have carried too much.
struct Relay {
    /// HAULIER_BLOB_URL by way of it.
    url: String,
    is_away: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Relay {
    /// `most` bytes go over one connection in each direction, and no more.
    async fn to(objects: &Objects, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("an address").to_string();
        let url = Url::parse(&objects.url).expect("a URL");
        let endpoint = url.query_pairs().find(|(name, _)| name == "endpoint").expect("an endpoint").1.into_owned();
        let there = endpoint.strip_prefix("http://").expect("plain HTTP").to_owned();
        let is_away = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
        let (away, count) = (Arc::clone(&is_away), Arc::clone(&connections));
        let url = objects.url.replace(&there, &here);
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (there, away) = (there.clone(), Arc::clone(&away));
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let Ok(mut store) = TcpStream::connect(there).await else { return };
                    let (from_client, mut to_client) = client.split();
                    let (from_store, mut to_store) = store.split();
                    let (mut from_client, mut from_store) = (from_client.take(most), from_store.take(most));
                    tokio::select! {
                        _ = copy(&mut from_client, &mut to_store) => {}
                        _ = copy(&mut from_store, &mut to_client) => {}
                        () = is(&away) => {}
                    }
                });
            }
        });
        Self { url, is_away, connections, accepting }
    }

    fn be_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }
}

async fn is(flag: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn uploads_and_readiness_say_so_and_recover() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let relay = Relay::to(&objects, u64::MAX).await;
        // From the very start: even the bucket is still to be made.
        relay.be_away(true);
        let late = format!("s3://haulier-late-{}", std::process::id());
        let url = relay.url.replace(&format!("s3://{}", objects.bucket), &late).replace("&create=true", "");
        let (_server, http) = objects.serve_at(&format!("{url}&create=true"), ServerOptions::default()).await;
        Reply::to(http.get("/readyz")).await.is(ProblemType::StoreUnavailable);
        relay.be_away(false);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::to(http.get("/readyz")).await.ok();

        let sample = Sample::new(3 << 20, 1 << 20);
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();

        relay.be_away(true);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::to(http.get("/readyz")).await.is(ProblemType::StoreUnavailable);
        Reply::to(http.get("/healthz")).await.ok();
        let refused = sample.put(&http, 1, 0).await;
        assert_eq!(refused.header("retry-after"), "5");
        refused.is(ProblemType::StoreUnavailable);

        relay.be_away(false);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::to(http.get("/readyz")).await.ok();
        for index in [1, 2] {
            assert_eq!(sample.put(&http, index, 0).await.status, 201, "{}", objects.store.name);
        }
        sample.complete(&http).await.ok();
        for index in 0..3 {
            assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
        }
    }
}

#[tokio::test]
async fn connections_that_break_reach_no_client_while_chunks_are_kept() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let relay = Relay::to(&objects, MOST_BYTES).await;
        let (_server, http) = objects.serve_at(&relay.url, ServerOptions::default()).await;
        let sample = Sample::new(20 << 20, 1 << 20);
        sample.send(&http).await;
        assert!(relay.connections.load(Ordering::Relaxed) > 8, "no PUT was broken");
        for index in 0..20 {
            assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
        }
        assert!(relay.connections.load(Ordering::Relaxed) > 16, "no GET was broken");
        sample.delete(&http).await.ok();
    }
}

#[tokio::test]
async fn connections_that_break_are_503_when_no_chunk_is_kept() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let relay = Relay::to(&objects, MOST_BYTES).await;
        let options = ServerOptions::default().env("HAULIER_S3_BUFFER", "0");
        let (_server, http) = objects.serve_at(&relay.url, options).await;
        let sample = Sample::new(20 << 20, 1 << 20);
        sample.create(&http).await.ok();
        let mut broken = 0;
        for index in 0..20 {
            while sample.put(&http, index, 0).await.status == 503 {
                broken += 1;
                assert!(broken <= 40, "it never gets through");
            }
        }
        assert!(broken > 0, "no PUT was broken");
        sample.complete(&http).await.ok();
        for index in 0..20 {
            assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
        }
    }
}
