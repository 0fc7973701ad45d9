//! The log: where it goes and how it looks. Panics are part of it.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// Panics of all threads since the process began.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Starts the log of this process.
///
/// `filter` has been parsed by the configuration. The sink is an argument so that a test can read what was written.
pub fn start<W>(filter: EnvFilter, format: LogFormat, sink: W)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // The SDK's finest level holds whole requests and answers, and so tokens and credentials, whatever the filter says.
    let filter = filter.and(filter_fn(|line| *line.level() < Level::TRACE || !line.target().starts_with("aws_")));
    let layer = tracing_subscriber::fmt::layer().with_writer(sink).with_target(false);
    let ansi = std::io::stderr().is_terminal();
    let layer = match format {
        LogFormat::Text => layer.with_ansi(ansi).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
    };
    // A second subscriber in one process is refused; the first one stays, which is what a test binary wants.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// Logs and counts every panic, by its place alone: a message may repeat what a client sent.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.place = place, "a panic: this is a fault of the server, please report it");
    }));
}

/// How many panics [`report_panics`] has seen.
pub(super) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
