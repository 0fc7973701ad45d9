//! Trouble on both ways at once, and a database that crashes in the middle of it.

use std::time::Duration;

use tokio::time::sleep;

use super::{KIB, MIB, RESETS, Rig};
use crate::harness::{Chance, Postgres, Sample};
use crate::s3::Objects;

#[tokio::test(flavor = "multi_thread")]
async fn ways_are_bad_and_the_database_crashes() {
    let postgres: &'static Postgres = Box::leak(Box::new(Postgres::start_own()));
    let rig = Rig::start(Objects::on_garage(), postgres).await;
    rig.trouble_requests(Chance::new("requests to the store"));
    let chance = Chance::new("connections to the database");
    rig.to_database.set(|faults| (faults.resets, faults.latency) = (Some((RESETS, chance)), Duration::from_millis(20)));
    rig.to_store.set(|faults| faults.latency = Duration::from_millis(100));
    let crash = async {
        sleep(Duration::from_secs(3)).await;
        tokio::task::spawn_blocking(|| postgres.crash()).await.expect("no panic");
        sleep(Duration::from_secs(2)).await;
        tokio::task::spawn_blocking(|| postgres.start()).await.expect("no panic");
    };
    let sample = Sample::new(24 * MIB, 128 * KIB);
    tokio::join!(rig.carries(24 * MIB, &sample, 8), crash);
}
