//! The log: where it goes and how it looks.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

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
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
