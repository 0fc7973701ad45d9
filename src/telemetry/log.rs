//! The log: where it goes and how it looks. Panics are part of it.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(sink).with_target(false);
    let ansi = std::io::stderr().is_terminal();
    // A second subscriber in one process is refused; the first one stays, which is what a test binary wants.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(ansi).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
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
