//! A store that is away, or breaks off: 503 with Retry-After, not ready, and all is well when it is back.

use std::time::Duration;

use haulier_wire::ProblemType;

use crate::harness::{Reply, Sample, ServerOptions, Wire};

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
