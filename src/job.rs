//! Background work: calls the sweep on an interval and after deletions, until the process stops.

use std::sync::Arc;
use std::time::Duration;

use crate::http::Service;

/// Sweeps until shutdown begins. A round that fails is logged and tried again with the next one.
pub async fn sweep_until_shutdown(service: Arc<Service>, interval: Duration) {
    loop {
        match service.transfers.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(transfers = swept, "swept"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the sweep failed"),
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = service.transfers.sweep_due() => {}
            () = service.shutdown.begun() => return,
        }
    }
}
