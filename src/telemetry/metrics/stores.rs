//! What the database and the blob store take and how they fail.

use std::time::{Duration, Instant};

use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use super::{Families, STEP_SECONDS};
use crate::store::{BufferUse, PoolUse, StoreError};

/// Upper bounds for how many chunk records share a commit.
const BATCH_RECORDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The families of both stores.
#[derive(Clone, Debug)]
pub(super) struct StoreMetrics {
    blob_seconds: HistogramVec,
    database_seconds: HistogramVec,
    errors: IntCounterVec,
    buffer_used: IntGaugeVec,
    buffer_free: IntGaugeVec,
    batch_records: HistogramVec,
    connections: IntGaugeVec,
    acquires: IntCounterVec,
    acquire_seconds: CounterVec,
    swept: IntCounter,
    swept_bytes: IntCounter,
}

impl StoreMetrics {
    pub(super) fn new(families: &Families<'_>) -> prometheus::Result<Self> {
        let seconds = |name: &str, help: &str| families.histograms(name, help, &STEP_SECONDS, &["backend", "step"]);
        Ok(Self {
            blob_seconds: seconds("haulier_blob_step_seconds", "What a step of the blob store took.")?,
            database_seconds: seconds(
                "haulier_database_step_seconds",
                "What a step of the database took, commit included.",
            )?,
            errors: families.counters(
                "haulier_store_errors_total",
                "Failed steps of a store: full, unavailable or internal.",
                &["backend", "kind"],
            )?,
            buffer_used: families.gauges(
                "haulier_blob_buffer_used_bytes",
                "Memory that the blob store holds of its budget.",
                &["backend"],
            )?,
            buffer_free: families.gauges(
                "haulier_blob_buffer_free_bytes",
                "Memory that is left of the blob store's budget; a store without a buffer has 0 of 0.",
                &["backend"],
            )?,
            batch_records: families.add(HistogramVec::new(
                HistogramOpts::new("haulier_database_batch_records", "Chunk records that shared a commit.")
                    .buckets(BATCH_RECORDS.to_vec()),
                &["backend"],
            )?)?,
            connections: families.gauges(
                "haulier_database_connections",
                "Open connections of a pool: idle, used, and the most there may be.",
                &["pool", "state"],
            )?,
            acquires: families.counters(
                "haulier_database_acquires_total",
                "How often a connection of a pool was asked for.",
                &["pool"],
            )?,
            acquire_seconds: families.add(CounterVec::new(
                Opts::new("haulier_database_acquire_seconds_total", "How long was waited for connections of a pool."),
                &["pool"],
            )?)?,
            swept: families.counter("haulier_swept_transfers_total", "Transfers whose bytes the sweep removed.")?,
            swept_bytes: families.counter("haulier_swept_bytes_total", "Sealed bytes that the sweep removed.")?,
        })
    }

    pub(super) fn blobs(&self, backend: &'static str) -> BlobMetrics {
        BlobMetrics {
            steps: self.steps(&self.blob_seconds, backend),
            buffer_used: self.buffer_used.with_label_values(&[backend]),
            buffer_free: self.buffer_free.with_label_values(&[backend]),
        }
    }

    pub(super) fn database(&self, backend: &'static str) -> DatabaseMetrics {
        DatabaseMetrics {
            steps: self.steps(&self.database_seconds, backend),
            batch_records: self.batch_records.with_label_values(&[backend]),
            swept: self.swept.clone(),
            swept_bytes: self.swept_bytes.clone(),
            families: self.clone(),
        }
    }

    fn steps(&self, seconds: &HistogramVec, backend: &'static str) -> StepMetrics {
        let errors = |kind| self.errors.with_label_values(&[backend, kind]);
        StepMetrics {
            backend,
            seconds: seconds.clone(),
            // All kinds are there from the start, so that the first failure is an increase.
            full: errors("full"),
            unavailable: errors("unavailable"),
            internal: errors("internal"),
        }
    }
}

/// Steps of one store.
#[derive(Clone, Debug)]
pub struct StepMetrics {
    backend: &'static str,
    seconds: HistogramVec,
    full: IntCounter,
    unavailable: IntCounter,
    internal: IntCounter,
}

impl StepMetrics {
    /// Waits for a step; counts how long it took and how it failed.
    ///
    /// # Errors
    /// The step's own.
    pub async fn measure<T>(
        &self,
        step: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = work.await;
        self.took(step, begun.elapsed());
        result.inspect_err(|error| self.failed(error))
    }

    /// Counts how long a step took.
    pub fn took(&self, step: &'static str, time: Duration) {
        self.seconds.with_label_values(&[self.backend, step]).observe(time.as_secs_f64());
    }

    /// Counts a failure.
    pub fn failed(&self, error: &StoreError) {
        match error {
            StoreError::Full => self.full.inc(),
            StoreError::Unavailable(_) => self.unavailable.inc(),
            StoreError::Internal(_) => self.internal.inc(),
        }
    }
}

/// A blob store.
#[derive(Clone, Debug)]
pub struct BlobMetrics {
    /// Its steps.
    pub steps: StepMetrics,
    buffer_used: IntGauge,
    buffer_free: IntGauge,
}

impl BlobMetrics {
    /// Takes over what the store says of its memory.
    pub fn read_buffer(&self, buffer: BufferUse) {
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.buffer_used.set(bytes(buffer.used_bytes));
        self.buffer_free.set(bytes(buffer.free_bytes));
    }
}

/// A database.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    /// Its steps.
    pub steps: StepMetrics,
    /// Chunk records that shared a commit.
    pub batch_records: Histogram,
    /// Transfers that were noted as swept.
    pub swept: IntCounter,
    /// Their sealed bytes.
    pub swept_bytes: IntCounter,
    families: StoreMetrics,
}

impl DatabaseMetrics {
    /// Takes over what a pool says. Readings of one pool come one after the other.
    pub fn read_pool(&self, pool: &PoolUse) {
        for (state, count) in [("idle", pool.idle), ("used", pool.used), ("most", pool.most)] {
            self.families.connections.with_label_values(&[pool.name, state]).set(count.into());
        }
        let acquires = self.families.acquires.with_label_values(&[pool.name]);
        acquires.inc_by(pool.acquires.saturating_sub(acquires.get()));
        let seconds = self.families.acquire_seconds.with_label_values(&[pool.name]);
        seconds.inc_by((pool.waited.as_secs_f64() - seconds.get()).max(0.0));
    }
}
