//! Counts and times for Prometheus. docs/OPERATIONS.md lists every metric.
//!
//! No label ever holds what a client sent: values are `&'static str`, but for a route, which is a pattern of the route
//! table. So neither ids nor tokens can get in, and the number of series is bounded.

mod http;
mod process;
mod stores;

use std::fmt;
use std::sync::Mutex;

use haulier_wire::Timestamp;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub use self::http::{HttpMetrics, Open, Outcome};
pub use self::stores::{BlobMetrics, DatabaseMetrics, StepMetrics};

use self::process::ProcessMetrics;
use self::stores::StoreMetrics;

/// The media type of [`Metrics::render`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// Upper bounds for what a store or a handler takes, in seconds.
const STEP_SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// The same for what depends on a client's connection, or on how much there is to do.
const LONG_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    /// Requests and bodies.
    pub http: HttpMetrics,
    /// Removals of what has ended.
    pub sweeps: SweepMetrics,
    stores: StoreMetrics,
    process: ProcessMetrics,
    /// What is asked for its numbers when somebody looks.
    readings: Mutex<Vec<Reading>>,
}

type Reading = Box<dyn Fn() + Send + Sync>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Begins to count, in a process that started at `started`.
    ///
    /// # Errors
    /// When two metrics have one name, which they have not.
    pub fn new(started: Timestamp) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let families = Families(&registry);
        let build = families.gauges("haulier_build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            http: HttpMetrics::new(&families)?,
            sweeps: SweepMetrics::new(&families)?,
            stores: StoreMetrics::new(&families)?,
            process: ProcessMetrics::new(&families, started)?,
            readings: Mutex::default(),
            registry,
        })
    }

    /// The metrics of a blob store.
    #[must_use]
    pub fn blobs(&self, backend: &'static str) -> BlobMetrics {
        self.stores.blobs(backend)
    }

    /// The metrics of a database.
    #[must_use]
    pub fn database(&self, backend: &'static str) -> DatabaseMetrics {
        self.stores.database(backend)
    }

    /// Has `reading` set its gauges whenever somebody looks.
    pub fn before_each_look(&self, reading: impl Fn() + Send + Sync + 'static) {
        self.readings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Box::new(reading));
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// When a metric has no samples, which is left out before.
    pub fn render(&self) -> prometheus::Result<String> {
        // Held on to: two that look at once must not add the same difference to a counter twice.
        let readings = self.readings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        readings.iter().for_each(|reading| reading());
        self.process.read();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Removals of what has ended.
#[derive(Clone, Debug)]
pub struct SweepMetrics {
    /// Rounds that removed all they found.
    pub done: IntCounter,
    /// Rounds that left something.
    pub failed: IntCounter,
    /// How long a round took.
    pub seconds: Histogram,
    /// Sealed bytes of what has ended and is not removed yet, as of the last round.
    pub waiting_bytes: IntGauge,
}

impl SweepMetrics {
    fn new(families: &Families<'_>) -> prometheus::Result<Self> {
        let rounds =
            families.counters("haulier_sweeps_total", "Rounds of the sweep, by how they ended.", &["result"])?;
        Ok(Self {
            done: rounds.with_label_values(&["done"]),
            failed: rounds.with_label_values(&["failed"]),
            seconds: families.histogram(
                "haulier_sweep_seconds",
                "How long a round of the sweep took.",
                &LONG_SECONDS,
            )?,
            waiting_bytes: families.gauge(
                "haulier_sweep_waiting_bytes",
                "Sealed bytes of what has ended and is not removed yet, after the last round of the sweep.",
            )?,
        })
    }
}

/// Makes metrics and registers them.
struct Families<'r>(&'r Registry);

impl Families<'_> {
    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    fn fraction(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> prometheus::Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels)?)
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}
