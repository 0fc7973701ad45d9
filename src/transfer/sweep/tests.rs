//! What cannot be removed or ended has its turn once, and keeps nothing else from going.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::*;
use crate::blob::BlobStore;
use crate::blob::disk::DiskStore;
use crate::blob::metered::MeteredBlobs;
use crate::blob::troubled::{Trouble, TroubledDisk};
use crate::clock::Clock;
use crate::config::Cli;
use crate::entropy::SystemEntropy;
use crate::job::sweep_until_shutdown;
use crate::metadata::sqlite::SqliteStore;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;

/// Tells these times, one after the other, and then the last of them for ever.
#[derive(Debug)]
struct Told(Mutex<VecDeque<Timestamp>>);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        let mut times = self.0.lock().expect("not poisoned");
        let next = if times.len() > 1 { times.pop_front() } else { times.front().copied() };
        next.expect("a time")
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + seconds * 1000).expect("in range")
}

/// Uploads that are over after a second.
struct House {
    transfers: Transfers,
    clock: Arc<Told>,
    metrics: Metrics,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let disk = DiskStore::open(&folder.path().join("blobs")).expect("opens");
        Self::on(folder, Arc::new(disk)).await
    }

    /// One whose removals are in trouble.
    async fn troubled(trouble: Trouble) -> (Self, Arc<TroubledDisk>) {
        let folder = TempDir::new().expect("a folder");
        let disk = DiskStore::open(&folder.path().join("blobs")).expect("opens");
        let disk = Arc::new(TroubledDisk::new(disk, trouble));
        let blobs: Arc<TroubledDisk> = Arc::clone(&disk);
        (Self::on(folder, blobs).await, disk)
    }

    async fn on(folder: TempDir, blobs: Arc<dyn BlobStore>) -> Self {
        let metadata = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
        let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
        let blobs = MeteredBlobs::new(blobs, &metrics.blobs("disk"));
        let cli = Cli::try_parse_from(["haulier-server", "--upload-expiry=1s", "--sweep-grace=0s"]).expect("parsed");
        let limits = cli.check().expect("fine").1.limits;
        let clock = Arc::new(Told(Mutex::new([at(0)].into())));
        let told: Arc<dyn Clock> = Arc::<Told>::clone(&clock);
        let transfers = Transfers::new(Arc::new(metadata), Arc::new(blobs), told, Arc::new(SystemEntropy), limits);
        Self { transfers, clock, metrics, folder }
    }

    async fn create(&self) -> TransferId {
        let request = serde_json::json!({
            "file_size": 0, "chunk_size": 65536, "total_chunks": 1,
            "encryption":
                {"algorithm": "AES-256-GCM", "iv_strategy": "counter", "tag_length": 128, "aad_format": "json"},
        });
        let created = self.transfers.create(&serde_json::from_value(request).expect("a request"), None).await;
        created.expect("created").transfer_id
    }

    fn tell(&self, times: &[Timestamp]) {
        *self.clock.0.lock().expect("not poisoned") = times.iter().copied().collect();
    }

    fn removals(&self) -> u64 {
        let shown = self.metrics.render().expect("renders");
        let line = r#"haulier_blob_step_seconds_count{backend="disk",step="remove_transfer"} "#;
        let count = shown.lines().find_map(|shown| shown.strip_prefix(line)).expect("the metric");
        count.parse().expect("a number")
    }
}

#[tokio::test]
async fn what_failed_is_not_tried_again_when_its_claim_has_run_out() {
    const COUNT: u64 = 20;
    let house = House::new().await;
    for _ in 0..COUNT {
        // A file is in the folder's place, which no removal expects.
        let place = house.folder.path().join(format!("blobs/transfers/{}", house.create().await));
        std::fs::write(place, b"").expect("written");
    }
    // The first claim is made at 10 s; when those of its transfers have failed, it has run out.
    house.tell(&[at(10), at(10), at(10 + 1 + i64::try_from(CLAIM_LASTS.as_secs()).expect("small"))]);
    assert!(matches!(house.transfers.sweep().await, Err(StoreError::Internal(_))));
    assert_eq!(house.removals(), COUNT);
}

#[tokio::test]
async fn leases_that_cannot_be_ended_keep_no_bytes_from_going() {
    let house = House::new().await;
    let id = house.create().await;
    let path = house.folder.path().join("a.sqlite");
    let mut connection = SqliteConnection::connect(&path.to_string_lossy()).await.expect("opens");
    let damaged = "INSERT INTO leases VALUES ($1, 'x', 1, 0, 0, 9223372036854775807, 0)";
    sqlx::query(damaged).bind(id.as_str()).execute(&mut connection).await.expect("inserted");
    house.tell(&[at(10)]);
    assert_eq!(house.transfers.sweep().await.expect("swept").transfers, 1);
}

#[tokio::test]
async fn a_store_that_is_away_ends_the_round() {
    let (house, disk) = House::troubled(Trouble::RemovalsFail).await;
    for _ in 0..3 * SWEEP_BATCH {
        house.create().await;
    }
    house.tell(&[at(10)]);
    assert!(matches!(house.transfers.sweep().await, Err(StoreError::Unavailable(_))));
    assert_eq!(disk.removals(), u64::from(SWEEP_BATCH), "the others would only wait for it, too");
    // Their claims were given back.
    let claimed = house.transfers.metadata.claim_sweep(at(10), at(10), at(70), 1000).await.expect("claimed");
    assert_eq!(claimed.len(), 3 * SWEEP_BATCH as usize);
}

#[tokio::test]
async fn one_that_cannot_be_removed_keeps_no_others_from_going() {
    let (house, disk) = House::troubled(Trouble::OneRemovalFails).await;
    for _ in 0..3 * SWEEP_BATCH {
        house.create().await;
    }
    house.tell(&[at(10)]);
    assert!(matches!(house.transfers.sweep().await, Err(StoreError::Unavailable(_))));
    assert_eq!(disk.removals(), u64::from(3 * SWEEP_BATCH));
    let claimed = house.transfers.metadata.claim_sweep(at(10), at(10), at(70), 1000).await.expect("claimed");
    assert_eq!(claimed.len(), 1, "the one that failed");
}

#[tokio::test]
async fn a_count_that_comes_behind_the_removal_does_not_stay() {
    let (house, disk) = House::troubled(Trouble::MetaComesLate).await;
    let id = house.create().await;
    house.tell(&[at(10)]);
    house.transfers.sweep().await.expect("swept");
    assert_eq!(disk.len(BlobKey::Meta(id)).await.expect("asked"), None);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_round() {
    let (house, disk) = House::troubled(Trouble::RemovalsWait).await;
    house.create().await;
    house.tell(&[at(10)]);
    let shutdown = Shutdown::default();
    let metrics = Arc::new(house.metrics);
    let job = sweep_until_shutdown(house.transfers.clone(), metrics, shutdown.clone(), Duration::from_secs(3600));
    let job = tokio::spawn(job);
    while disk.removals() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shutdown.begin();
    tokio::time::timeout(Duration::from_secs(60), job).await.expect("it ends").expect("no panic");
    // Whoever comes after a minute finds it there.
    let claimed = house.transfers.metadata.claim_sweep(at(10), at(70), at(130), 1000).await.expect("claimed");
    assert_eq!(claimed.len(), 1);
}
