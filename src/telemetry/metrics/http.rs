//! Requests, their bodies, and who was turned away.

use std::time::Duration;

use haulier_wire::ProblemType;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::{Families, LONG_SECONDS, STEP_SECONDS};

/// Requests and bodies.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Bytes of request bodies that arrived.
    pub received_bytes: IntCounter,
    /// Bytes of response bodies that were handed to a connection.
    pub sent_bytes: IntCounter,
    /// Requests for which there was no place.
    pub refused: IntCounter,
    /// Problem documents that were sent.
    problems: IntCounterVec,
    /// Requests that have a place.
    pub under_way: IntGauge,
    /// Places that are free.
    pub places_left: IntGauge,
    requests: IntCounterVec,
    head_seconds: HistogramVec,
    seconds: HistogramVec,
    cut: IntCounter,
    open_uploads: IntGauge,
    open_downloads: IntGauge,
}

/// How one request went.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'r> {
    /// The pattern of its route.
    pub route: &'r str,
    /// One of a few methods, or `other`.
    pub method: &'static str,
    /// The status code in digits; `None` when it ended before it was answered.
    pub status: Option<&'r str>,
    /// Until the head of the answer was made.
    pub head: Option<Duration>,
    /// Until the last byte.
    pub total: Duration,
    /// Whether the last byte was sent.
    pub is_whole: bool,
}

impl HttpMetrics {
    pub(super) fn new(families: &Families<'_>) -> prometheus::Result<Self> {
        let by_route = ["route", "method"];
        let problems =
            families.counters("haulier_problems_total", "Problem documents that were sent, by type.", &["type"])?;
        // From 0 on, so that the first one is seen.
        for kind in ProblemType::ALL {
            let _ = problems.with_label_values(&[kind.name()]);
        }
        Ok(Self {
            received_bytes: families
                .counter("haulier_http_received_bytes_total", "Bytes of request bodies that arrived.")?,
            sent_bytes: families.counter(
                "haulier_http_sent_bytes_total",
                "Bytes of response bodies that were handed to connections.",
            )?,
            refused: families.counter(
                "haulier_requests_refused_total",
                "Requests that were answered 503 because no place was free.",
            )?,
            problems,
            under_way: families.gauge("haulier_requests_under_way", "Requests on transfers that have a place.")?,
            places_left: families.gauge("haulier_request_places_left", "Requests that could come in addition.")?,
            requests: families.counters(
                "haulier_http_requests_total",
                "Requests that have ended, by status; none: the client went before the answer.",
                &["route", "method", "status"],
            )?,
            head_seconds: families.histograms(
                "haulier_http_response_head_seconds",
                "From a request's head to its answer's head, the body of an upload included.",
                &STEP_SECONDS,
                &by_route,
            )?,
            seconds: families.histograms(
                "haulier_http_request_duration_seconds",
                "From a request's head to the last byte of its answer; readers may be slow.",
                &LONG_SECONDS,
                &by_route,
            )?,
            cut: families
                .counter("haulier_http_cut_total", "Requests that ended before the last byte of their answer.")?,
            open_uploads: families.gauge("haulier_open_uploads", "Chunks whose bodies are arriving.")?,
            open_downloads: families.gauge("haulier_open_downloads", "Downloads whose bodies are leaving.")?,
        })
    }

    /// Counts a request that has ended.
    pub fn ended(&self, outcome: &Outcome<'_>) {
        let Outcome { route, method, .. } = *outcome;
        self.requests.with_label_values(&[route, method, outcome.status.unwrap_or("none")]).inc();
        self.seconds.with_label_values(&[route, method]).observe(outcome.total.as_secs_f64());
        if let Some(head) = outcome.head {
            self.head_seconds.with_label_values(&[route, method]).observe(head.as_secs_f64());
        }
        if !outcome.is_whole {
            self.cut.inc();
        }
    }

    /// Counts a problem document by the name of its type.
    pub fn problem(&self, name: &'static str) {
        self.problems.with_label_values(&[name]).inc();
    }

    /// Counts a chunk whose body is arriving, until what this returns is dropped.
    #[must_use]
    pub fn open_upload(&self) -> Open {
        Open::new(&self.open_uploads)
    }

    /// Counts a download whose body is leaving, until what this returns is dropped.
    #[must_use]
    pub fn open_download(&self) -> Open {
        Open::new(&self.open_downloads)
    }
}

/// Something that is counted while it is open.
#[derive(Debug)]
pub struct Open(IntGauge);

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
