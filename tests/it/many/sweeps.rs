//! Sweeps by three servers: each ended transfer is swept once, and what a killed server had claimed comes back.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Fleet;
use crate::harness::{Http, METRICS_TOKEN, Sample, Scrape};

/// An upload that gets no more chunks ends after so long.
const UPLOAD_EXPIRY: Duration = Duration::from_secs(15);
/// Far beyond what a slow machine takes, and the end of a dead server's claims.
const LONGEST: Duration = Duration::from_secs(240);

/// Nobody sweeps by the clock: only a deletion calls for it, on the server that is asked for it.
async fn fleet() -> Fleet {
    Fleet::of_three(&[
        ("HAULIER_UPLOAD_EXPIRY", "15s"),
        ("HAULIER_SWEEP_INTERVAL", "1h"),
        ("HAULIER_SWEEP_GRACE", "0s"),
        ("HAULIER_METRICS_TOKEN", METRICS_TOKEN),
    ])
    .await
}

/// Begins transfers, a chunk of each, and waits until they have ended.
async fn ended(fleet: &Fleet, count: usize) {
    stream::iter(0..count)
        .for_each_concurrent(16, |number| async move {
            let http = &fleet.http[number % 3];
            let sample = Sample::new(65_537, 65_536);
            sample.create(http).await.ok();
            sample.put(http, 1, 0).await.ok();
        })
        .await;
    tokio::time::sleep(UPLOAD_EXPIRY + Duration::from_millis(500)).await;
}

/// Has a server sweep.
async fn delete_one(http: &Http) {
    let sample = Sample::new(65_537, 65_536);
    sample.create(http).await.ok();
    sample.delete(http).await.ok();
}

/// Transfers whose blobs this server has removed.
async fn removals(http: &Http) -> f64 {
    Scrape::of(http).await.sum("haulier_blob_step_seconds_count", &[("step", "remove_transfer")])
}

/// How many rows there are like this.
async fn rows(fleet: &Fleet, like: &str) -> i64 {
    let mut connection = PgConnection::connect(fleet.database.url()).await.expect("connected");
    let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM transfers WHERE {like}")));
    let count = count.fetch_one(&mut connection).await.expect("counted");
    connection.close().await.expect("closed");
    count
}

#[tokio::test]
async fn three_servers_share_a_sweep_and_sweep_each_transfer_once() {
    const COUNT: u16 = 240;
    let fleet = fleet().await;
    ended(&fleet, COUNT.into()).await;
    assert_eq!(fleet.objects.names().await.len(), usize::from(COUNT));
    futures::future::join_all(fleet.http.iter().map(delete_one)).await;
    let begun = Instant::now();
    while rows(&fleet, "blobs_removed = 0").await > 0 {
        assert!(begun.elapsed() < LONGEST, "not swept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shares = futures::future::join_all(fleet.http.iter().map(removals)).await;
    println!("shares: {shares:?}");
    assert_eq!(shares.iter().sum::<f64>(), f64::from(COUNT + 3), "each once: {shares:?}");
    assert!(shares.iter().all(|share| *share > 0.0), "all three took part: {shares:?}");
    fleet.objects.are_soon(&[]).await;
}

#[tokio::test]
async fn what_a_killed_server_was_sweeping_is_swept_by_the_others() {
    const COUNT: usize = 240;
    let mut fleet = fleet().await;
    let kept = Sample::new(65_537, 65_536);
    ended(&fleet, COUNT).await;
    kept.send(&fleet.http[1]).await;
    // Between two batches it would have nothing in its hands, and where everything is slow it may be done: then again.
    while rows(&fleet, "sweep_claimed_until IS NOT NULL").await == 0 {
        if rows(&fleet, "blobs_removed = 0 AND state = 'pending'").await == 0 {
            ended(&fleet, COUNT).await;
        }
        let address = fleet.servers[0].address().to_owned();
        let before = removals(&fleet.http[0]).await;
        delete_one(&fleet.http[0]).await;
        while removals(&fleet.http[0]).await == before {}
        fleet.servers[0].kill();
        if rows(&fleet, "sweep_claimed_until IS NOT NULL").await == 0 {
            let (server, http) = fleet.server(0, &address).await;
            (fleet.servers[0], fleet.http[0]) = (server, http);
        }
    }
    let in_its_hands = rows(&fleet, "sweep_claimed_until IS NOT NULL").await;
    let begun = Instant::now();
    for number in 0.. {
        delete_one(&fleet.http[1 + number % 2]).await;
        // What was deleted just now has its time to go, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let left = rows(&fleet, "blobs_removed = 0 AND state <> 'completed'").await;
        if left == 0 {
            break;
        }
        assert!(begun.elapsed() < LONGEST, "{left} are not swept");
    }
    println!("{in_its_hands} in its hands, all swept after {:?}", begun.elapsed());
    assert_eq!(rows(&fleet, "sweep_claimed_until IS NOT NULL").await, 0, "and nothing is claimed any more");
    let names = ["chunks/0", "chunks/1", "meta.json"].map(|name| format!("transfers/{}/{name}", kept.id));
    fleet.objects.are_soon(&names).await;
    for index in 0..2 {
        assert!(kept.get(&fleet.http[2], index).await.ok().body == kept.chunk(index, 0), "what lives is whole");
    }
}
