//! Background work: calls the sweep on an interval and after deletions, until the process stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::http::Service;
use crate::transfer::sweep::Swept;

/// A timer cannot tick more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Sweeps until shutdown begins. A round that fails is logged and tried again with the next one.
pub async fn sweep_until_shutdown(service: Arc<Service>, interval: Duration) {
    let metrics = &service.metrics.sweeps;
    // The first tick comes at once. A timer that began anew with each deletion might never end.
    let mut ticks = tokio::time::interval(interval.max(SHORTEST_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            _ = ticks.tick() => true,
            () = service.transfers.sweep_due() => false,
            () = service.shutdown.begun() => return,
        };
        let begun = Instant::now();
        let mut swept = service.transfers.sweep().await;
        // Not after each deletion: a store is asked for a list of its own.
        if is_tick {
            swept = service.transfers.sweep_abandoned().await.and(swept);
        }
        if let Ok(Swept { bytes, .. }) = service.transfers.waiting().await {
            metrics.waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        metrics.seconds.observe(begun.elapsed().as_secs_f64());
        match swept {
            Ok(Swept { transfers: 0, .. }) => metrics.done.inc(),
            Ok(Swept { transfers, bytes }) => {
                metrics.done.inc();
                tracing::info!(transfers, bytes, "swept");
            }
            Err(error) => {
                metrics.failed.inc();
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep failed");
            }
        }
    }
}
