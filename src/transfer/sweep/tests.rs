//! What cannot be removed has its turn once, also when claims run out in the middle of a round.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use tempfile::TempDir;

use super::*;
use crate::blob::disk::DiskStore;
use crate::blob::metered::MeteredBlobs;
use crate::clock::Clock;
use crate::config::Cli;
use crate::entropy::SystemEntropy;
use crate::metadata::sqlite::SqliteStore;
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

#[tokio::test]
async fn what_failed_is_not_tried_again_when_its_claim_has_run_out() {
    const COUNT: usize = 20;
    let folder = TempDir::new().expect("a folder");
    let metadata = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    let disk = DiskStore::open(&folder.path().join("blobs")).expect("opens");
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let blobs = MeteredBlobs::new(Arc::new(disk), &metrics.blobs("disk"));
    let cli = Cli::try_parse_from(["haulier-server", "--upload-expiry=1s", "--sweep-grace=0s"]).expect("parsed");
    let limits = cli.check().expect("fine").1.limits;
    let clock = Arc::new(Told(Mutex::new([at(0)].into())));
    let told: Arc<dyn Clock> = Arc::<Told>::clone(&clock);
    let transfers = Transfers::new(Arc::new(metadata), Arc::new(blobs), told, Arc::new(SystemEntropy), limits);
    let request = serde_json::json!({
        "file_size": 0, "chunk_size": 65536, "total_chunks": 1,
        "encryption": {"algorithm": "AES-256-GCM", "iv_strategy": "counter", "tag_length": 128, "aad_format": "json"},
    });
    for _ in 0..COUNT {
        let created = transfers.create(&serde_json::from_value(request.clone()).expect("a request"), None).await;
        // A file is in the folder's place, which no removal expects.
        let place = folder.path().join(format!("blobs/transfers/{}", created.expect("created").transfer_id));
        std::fs::write(place, b"").expect("written");
    }
    // The first claim is made at 10 s; when those of its transfers have failed, it has run out.
    let times = [at(10), at(10), at(10 + 1 + i64::try_from(CLAIM_LASTS.as_secs()).expect("small"))];
    clock.0.lock().expect("not poisoned").clone_from(&times.into());
    assert!(matches!(transfers.sweep().await, Err(StoreError::Internal(_))));
    let shown = metrics.render().expect("renders");
    let line = format!(r#"haulier_blob_step_seconds_count{{backend="disk",step="remove_transfer"}} {COUNT}"#);
    assert!(shown.lines().any(|shown| shown == line), "no {line} in {shown}");
}
