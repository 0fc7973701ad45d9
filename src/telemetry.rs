//! The log: where it goes and how it looks.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

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
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    // A second subscriber in one process is refused; the first one stays, which is what a test binary wants.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}
