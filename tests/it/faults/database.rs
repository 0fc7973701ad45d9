//! Trouble on the way to the database.

use std::time::Duration;

use tokio::time::Instant;

use super::caller::Caller;
use super::{KIB, LATENCY, MIB, RESETS, Rig};
use crate::harness::{Chance, Postgres, Reply, Sample, ServerOptions};
use crate::s3::Objects;

/// All but its own, in whatever they do.
const END_CONNECTIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn that_resets_loses_nothing() {
    let rig = Rig::on_garage().await;
    let chance = Chance::new("connections to the database");
    rig.to_database.set(|faults| faults.resets = Some((RESETS, chance)));
    rig.carries(16 * MIB, &Sample::new(25 * MIB, 64 * KIB), 8).await;
    println!("{} resets", rig.to_database.resets());
    assert!(rig.to_database.resets() > 20, "{} resets", rig.to_database.resets());
}

/// Half a second for each word, and a trickle: beside each other, since both wait more than they work.
#[tokio::test(flavor = "multi_thread")]
async fn that_is_slow_is_a_delay() {
    let (late, trickling) = tokio::join!(Rig::on_garage(), Rig::on_garage());
    late.to_database.set(|faults| faults.latency = LATENCY);
    trickling.to_database.set(|faults| faults.trickle = Some((20, Duration::from_millis(5))));
    let (one, other) = (Sample::new(6 * MIB, 128 * KIB), Sample::new(6 * MIB, 128 * KIB));
    tokio::join!(late.carries(4 * MIB, &one, 8), trickling.carries(4 * MIB, &other, 8));
}

/// Readiness holds while every connection is new, which takes longer than whoever asks would wait, and nothing else is
/// wrong.
#[tokio::test(flavor = "multi_thread")]
async fn that_is_slow_leaves_the_server_ready() {
    let rig = Rig::on_garage().await;
    rig.to_database.set(|faults| faults.latency = LATENCY);
    // The first answer may come too late.
    rig.becomes_ready(true).await;
    for _ in 0..3 {
        tokio::task::block_in_place(|| rig.database.run(END_CONNECTIONS));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            Reply::to(rig.http.get("/readyz")).await.ok();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    // And still an outage is noticed.
    rig.to_database.set(|faults| faults.is_silent = true);
    rig.becomes_ready(false).await;
    rig.to_database.set(|faults| faults.is_silent = false);
    rig.becomes_ready(true).await;
}

/// A failover that nobody tells of, each time when an operation has just ended: what was open stays silent for ever.
/// As many of them as there are connections, or more.
async fn forgotten_connections() {
    let options = ServerOptions::default().env("HAULIER_DATABASE_CONNECTIONS", "2");
    let rig = Rig::start_with(Objects::on_garage(), Postgres::shared(), options).await;
    rig.to_database.set(|faults| faults.latency = Duration::from_millis(300));
    let caller = Caller::new(&rig.server);
    let sample = Sample::new(KIB, 64 * KIB);
    caller.insist(|| rig.http.post("/api/transfers/create").json(&sample.create_request())).await;
    let path = format!("/api/transfers/info/{}", sample.id);
    for _ in 0..3 {
        let begun = Instant::now();
        caller.insist(|| rig.http.get(&path)).await;
        assert!(begun.elapsed() < Duration::from_secs(90), "no connection is left: {:?}", begun.elapsed());
        rig.to_database.forget();
    }
    caller.report();
    rig.becomes_ready(true).await;
}

/// Once what was under way goes on afterwards, as after a cable was out; once it never does, as after a failover.
#[tokio::test(flavor = "multi_thread")]
async fn that_is_silent_for_half_a_minute_is_a_longer_delay() {
    tokio::join!(blackout(false), blackout(true), forgotten_connections());
}

async fn blackout(is_forgotten: bool) {
    let rig = Rig::on_garage().await;
    let caller = Caller::new(&rig.server);
    let earlier = Sample::new(4 * MIB, 64 * KIB);
    caller.upload(&earlier, 12).await;

    rig.to_database.set(|faults| faults.latency = Duration::from_millis(20));
    let sample = Sample::new(64 * MIB, 128 * KIB);
    rig.bears_a_blackout((&caller, &earlier, &sample), 16 * MIB, 100, rig.blackout(&rig.to_database, is_forgotten))
        .await;
}
