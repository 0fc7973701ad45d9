//! The measured store does what the one inside does, and counts what came of it.

use std::sync::Mutex;

use haulier_wire::Timestamp;

use super::*;
use crate::blob::contract;
use crate::blob::disk::DiskStore;
use crate::telemetry::metrics::Metrics;

#[tokio::test]
async fn it_keeps_the_contract_of_blob_stores() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let disk = DiskStore::open(folder.path()).expect("a store");
    contract::run(&MeteredBlobs::new(Arc::new(disk), &metrics.blobs("disk"))).await;
}

/// Takes some pieces at once, makes others wait, and has no room for the rest.
#[derive(Default)]
struct Slow {
    pieces: Arc<Mutex<Vec<Bytes>>>,
}

#[async_trait]
impl StagedBlob for Slow {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if bytes.starts_with(b"wait") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if bytes.ends_with(b"full") {
            return Err(StoreError::Full);
        }
        self.pieces.lock().expect("not poisoned").push(bytes);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn every_piece_arrives_once_and_in_order_however_long_it_waits() {
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let inner = Slow::default();
    let pieces = Arc::clone(&inner.pieces);
    let steps = metrics.blobs("slow").steps;
    let mut staged = MeteredStaged { inner: Box::new(inner), steps, waited: Duration::ZERO };
    for piece in ["at once", "wait a little", "", "wait", "end"] {
        staged.write(Bytes::from_static(piece.as_bytes())).await.expect("taken");
    }
    for piece in ["full", "wait until full"] {
        let result = staged.write(Bytes::from_static(piece.as_bytes())).await;
        assert!(matches!(result, Err(StoreError::Full)), "{piece}");
    }
    assert_eq!(*pieces.lock().expect("not poisoned"), ["at once", "wait a little", "", "wait", "end"]);
    assert!(staged.waited >= Duration::from_millis(60), "{:?}", staged.waited);
    staged.finish().await.expect("finished");
    let shown = metrics.render().expect("renders");
    for line in [
        r#"haulier_store_errors_total{backend="slow",kind="full"} 2"#,
        r#"haulier_blob_step_seconds_count{backend="slow",step="write"} 1"#,
        r#"haulier_blob_step_seconds_bucket{backend="slow",step="write",le="0.05"} 0"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line} in {shown}");
    }
}

#[tokio::test]
async fn the_first_byte_is_timed_once_and_a_broken_stream_is_a_failure() {
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let pieces = [Ok(Bytes::from_static(b"1")), Ok(Bytes::from_static(b"2")), Err(io::ErrorKind::TimedOut.into())];
    let inner = futures::stream::iter(pieces).boxed();
    let steps = metrics.blobs("slow").steps;
    let read: Vec<_> = MeteredStream { inner, steps, begun: Some(Instant::now()) }.collect().await;
    assert_eq!(read.iter().filter(|piece| piece.is_ok()).count(), 2);
    assert_eq!(read.len(), 3);
    let shown = metrics.render().expect("renders");
    for line in [
        r#"haulier_blob_step_seconds_count{backend="slow",step="first_byte"} 1"#,
        r#"haulier_store_errors_total{backend="slow",kind="unavailable"} 1"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line} in {shown}");
    }
}
