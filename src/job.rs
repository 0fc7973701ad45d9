//! Background work: calls the sweep on an interval and after deletions, until the process stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::Service;

/// Sweeps until shutdown begins. A round that fails is logged and tried again with the next one.
pub async fn sweep_until_shutdown(service: Arc<Service>, interval: Duration) {
    let metrics = &service.metrics.sweeps;
    loop {
        let begun = Instant::now();
        let swept = service.transfers.sweep().await;
        metrics.seconds.observe(begun.elapsed().as_secs_f64());
        match swept {
            Ok(0) => metrics.done.inc(),
            Ok(swept) => {
                metrics.done.inc();
                tracing::info!(transfers = swept, "swept");
            }
            Err(error) => {
                metrics.failed.inc();
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep failed");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = service.transfers.sweep_due() => {}
            () = service.shutdown.begun() => return,
        }
    }
}
