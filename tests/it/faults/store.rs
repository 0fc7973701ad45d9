//! Trouble on the way to the store.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::caller::Caller;
use super::{KIB, LATENCY, MIB, Rig, TRICKLE};
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

        rig.to_store.set(|faults| faults.trickle = Some((32 << 10, Duration::from_millis(20))));
        let sample = Sample::new(160 * MIB, 4 * MIB);
        rig.bears_a_blackout((&caller, &earlier, &sample), 24 * MIB, 4, rig.blackout(&rig.to_store, false)).await;
    })
    .await;
}

async fn for_each(test: impl AsyncFn(&Rig)) {
    let rigs = rigs().await;
    join_all(rigs.iter().map(|rig| test(rig))).await;
}
