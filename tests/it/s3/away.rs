//! A store that is away, or breaks off: 503 with Retry-After, not ready, and all is well when it is back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use haulier_wire::ProblemType;

use crate::harness::{Action, Answer, Connection, DOWNLOAD_TOKEN, Proxy, Reply, Sample, ServerOptions, Wire};

use super::{Objects, everywhere};

/// What a connection carries that breaks: two chunks of 1 MiB, and a part of the third.
const MOST_BYTES: u64 = 5 << 19;

/// A relay to a store that breaks connections which have carried too much.
async fn breaking(objects: &Objects) -> Wire {
    let relay = Wire::to(&objects.address()).await;
    relay.set(|faults| faults.most_bytes = Some(MOST_BYTES));
    relay
}

#[tokio::test]
async fn uploads_and_readiness_say_so_and_recover() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let relay = Wire::to(&objects.address()).await;
        // From the very start: even the bucket is still to be made.
        relay.set(|faults| faults.is_away = true);
        let late = format!("s3://haulier-late-{}", std::process::id());
        let by_relay = objects.url_by(&relay.address().to_string());
        let url = by_relay.replace(&format!("s3://{}", objects.bucket), &late).replace("&create=true", "");
        let (_server, http) = objects.serve_at(&format!("{url}&create=true"), ServerOptions::default()).await;
        Reply::to(http.get("/readyz")).await.is(ProblemType::StoreUnavailable);
        relay.set(|faults| faults.is_away = false);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::to(http.get("/readyz")).await.ok();

        let sample = Sample::new(3 << 20, 1 << 20);
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();

        relay.set(|faults| faults.is_away = true);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Reply::to(http.get("/readyz")).await.is(ProblemType::StoreUnavailable);
        Reply::to(http.get("/healthz")).await.ok();
        let refused = sample.put(&http, 1, 0).await;
        assert_eq!(refused.header("retry-after"), "5");
        refused.is(ProblemType::StoreUnavailable);

        relay.set(|faults| faults.is_away = false);
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
        let relay = breaking(&objects).await;
        let (_server, http) =
            objects.serve_at(&objects.url_by(&relay.address().to_string()), ServerOptions::default()).await;
        let sample = Sample::new(20 << 20, 1 << 20);
        sample.send(&http).await;
        assert!(relay.connections() > 8, "no PUT was broken");
        for index in 0..20 {
            assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
        }
        assert!(relay.connections() > 16, "no GET was broken");
        sample.delete(&http).await.ok();
    }
}

#[tokio::test]
async fn connections_that_break_are_503_when_no_chunk_is_kept() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let relay = breaking(&objects).await;
        let options = ServerOptions::default().env("HAULIER_S3_BUFFER", "0");
        let (_server, http) = objects.serve_at(&objects.url_by(&relay.address().to_string()), options).await;
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

/// Two requests at once over one connection: the second answer begins where the first has ended, or not at all.
#[tokio::test]
async fn a_chunk_that_the_store_does_not_bring_to_its_end_takes_its_connection_along() {
    for objects in everywhere().filter(|objects| objects.url.contains("endpoint=http://")) {
        let proxy = Proxy::to(&objects.address()).await;
        let by_relay = objects.url_by(proxy.url().strip_prefix("http://").expect("plain HTTP"));
        let (server, http) = objects.serve_at(&by_relay, ServerOptions::default()).await;
        let sample = Sample::new(4 << 20, 4 << 20);
        sample.send(&http).await;
        let path = format!("/api/transfers/download/{}/chunk/0", sample.id);
        let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DOWNLOAD_TOKEN}\r\n\r\n");
        let both = [get.as_str(), &get].concat();

        let mut connection = Connection::open(&server).await;
        connection.send(&both).await;
        for _ in 0..2 {
            let reply = connection.reply().await.expect("an answer");
            assert!(reply.status == 200 && reply.body == sample.chunk(0, 0), "{}", objects.store.name);
        }

        // It breaks off in the middle, and when it is asked again the object is gone.
        let gets = AtomicU32::new(0);
        proxy.on(move |request| match request.method.as_str() {
            "GET" if gets.fetch_add(1, Ordering::Relaxed) == 0 => Action::CutAnswerAfter(1 << 20),
            "GET" => Action::Answer(Answer::new(404, "application/xml", "<Error><Code>NoSuchKey</Code></Error>")),
            _ => Action::Pass,
        });
        let mut connection = Connection::open(&server).await;
        connection.send(&both).await;
        assert!(connection.reply().await.is_none(), "{}: a whole answer", objects.store.name);
        proxy.on(|_| Action::Pass);
        sample.delete(&http).await.ok();
    }
}
