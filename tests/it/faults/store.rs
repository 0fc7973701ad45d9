//! Trouble on the way to the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::caller::Caller;
use super::{BLACKOUT, KIB, LATENCY, MIB, Rig, TRICKLE};
use crate::harness::{Chance, Postgres, Sample};
use crate::s3::everywhere;

/// One for each store that speaks plain HTTP.
async fn rigs() -> Vec<Rig> {
    let stores = everywhere().filter(|objects| objects.url.contains("endpoint=http://"));
    join_all(stores.map(|objects| Rig::start(objects, Postgres::shared()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn that_resets_and_refuses_loses_nothing() {
    let chance = Chance::new("requests to the store");
    for_each(async |rig: &Rig| {
        rig.trouble_requests(Arc::clone(&chance));
        let sample = Sample::new(40 * MIB, 320 * KIB);
        rig.carries(16 * MIB, &sample, 8).await;
        // Lists and removals are troubled as well.
        rig.trouble_requests(Arc::clone(&chance));
        Caller::new(&rig.server).delete(&sample).await;
        rig.objects.hold_nothing_of(&sample.id.to_string()).await;
    })
    .await;
}

/// Half a second for each request, and a trickle: beside each other, since both wait more than they work.
#[tokio::test(flavor = "multi_thread")]
async fn that_is_slow_is_a_delay() {
    let late = for_each(async |rig: &Rig| {
        rig.to_store.set(|faults| faults.latency = LATENCY);
        rig.carries(8 * MIB, &Sample::new(12 * MIB, 512 * KIB), 8).await;
    });
    let trickling = for_each(async |rig: &Rig| {
        rig.to_store.set(|faults| faults.trickle = Some(TRICKLE));
        rig.carries(4 * MIB, &Sample::new(24 * MIB, 3 * MIB), 8).await;
    });
    tokio::join!(late, trickling);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_silent_for_half_a_minute_is_a_longer_delay() {
    for_each(async |rig: &Rig| {
        let caller = Caller::new(&rig.server);
        let earlier = Sample::new(48 * MIB, 4 * MIB);
        caller.upload(&earlier, 12).await;
        let stored_before = caller.acknowledged.load(Ordering::Relaxed);

        rig.to_store.set(|faults| faults.trickle = Some((32 << 10, Duration::from_millis(20))));
        let sample = Sample::new(160 * MIB, 4 * MIB);
        let transfers = async {
            tokio::join!(
                caller.upload(&sample, 40),
                caller.download(&earlier, 12),
                rig.send_and_get(24 * MIB),
                rig.send_and_get(24 * MIB)
            )
        };
        let blackout = async {
            while caller.acknowledged.load(Ordering::Relaxed) < stored_before + 4 {
                sleep(Duration::from_millis(20)).await;
            }
            let begun = Instant::now();
            rig.to_store.set(|faults| faults.is_silent = true);
            rig.becomes_ready(false).await;
            sleep(BLACKOUT.saturating_sub(begun.elapsed())).await;
            rig.becomes_ready(false).await;
            rig.heal();
            rig.becomes_ready(true).await;
        };
        tokio::join!(transfers, blackout);
        caller.report();
        rig.nothing_is_lost(&sample).await;
        rig.assert_small();
    })
    .await;
}

async fn for_each(test: impl AsyncFn(&Rig)) {
    let rigs = rigs().await;
    join_all(rigs.iter().map(|rig| test(rig))).await;
}
