//! Background work: calls the sweep on an interval and when a transfer has ended before its time, until the process stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use crate::transfer::Transfers;
use crate::transfer::sweep::Swept;

/// A timer cannot tick more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Sweeps until shutdown begins. A round that fails is logged and tried again with the next one.
pub async fn sweep_until_shutdown(transfers: Transfers, metrics: Arc<Metrics>, shutdown: Shutdown, interval: Duration) {
    // The first tick comes at once. A timer that began anew with each deletion might never end.
    let mut ticks = tokio::time::interval(interval.max(SHORTEST_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            _ = ticks.tick() => true,
            () = transfers.sweep_due() => false,
            () = shutdown.begun() => return,
        };
        tokio::select! {
            () = round(&transfers, &metrics, is_tick) => {}
            // In the middle of a round that may last for hours. Its claims end by themselves, and what is removed and
            // not noted is removed again.
            () = shutdown.begun() => return,
        }
    }
}

async fn round(transfers: &Transfers, metrics: &Metrics, is_tick: bool) {
    let metrics = &metrics.sweeps;
    let begun = Instant::now();
    let mut swept = transfers.sweep().await;
    // Not after each deletion: a store is asked for a list of its own.
    if is_tick {
        swept = transfers.sweep_abandoned().await.and(swept);
    }
    if let Ok(Swept { bytes, .. }) = transfers.waiting().await {
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
