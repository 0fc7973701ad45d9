//! The measured database does what the one inside does, and counts what came of it.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::metadata::contract;
use crate::metadata::sqlite::SqliteStore;
use crate::telemetry::metrics::Metrics;

#[tokio::test]
async fn it_keeps_the_contract_of_databases() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let number = AtomicU32::new(0);
    contract::run(|| {
        let path = folder.path().join(format!("{}.sqlite", number.fetch_add(1, Ordering::Relaxed)));
        let counts = metrics.database("sqlite");
        async move {
            let store: Arc<dyn MetadataStore> = Arc::new(SqliteStore::open(&path).await.expect("opens"));
            MeteredMetadata::new(store, counts)
        }
    })
    .await;
}

#[tokio::test]
async fn what_fails_is_counted_by_its_kind() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let metrics = Metrics::new(Timestamp::MIN).expect("metrics");
    let store: Arc<dyn MetadataStore> =
        Arc::new(SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens"));
    let metered = MeteredMetadata::new(store, metrics.database("sqlite"));
    metered.close().await;
    assert!(matches!(metered.probe().await, Err(StoreError::Unavailable(_))), "its pool is closed");
    let shown = metrics.render().expect("renders");
    for line in [
        r#"haulier_store_errors_total{backend="sqlite",kind="unavailable"} 1"#,
        r#"haulier_store_errors_total{backend="sqlite",kind="full"} 0"#,
        r#"haulier_database_step_seconds_count{backend="sqlite",step="probe"} 1"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line} in {shown}");
    }
}
