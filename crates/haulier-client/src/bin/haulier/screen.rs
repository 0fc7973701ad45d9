//! What reaches the screen: results on standard output, everything else on standard error. A bar in between is taken
//! away while a line is written, and a reader who went away ends the program quietly instead of with a panic.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::error::{Exit, Failure};

/// The bar that is on the screen now: there is one screen, so there is at most one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes one line of the result to standard output.
pub(crate) fn out(line: impl Display) -> Result<(), Failure> {
    raw(format!("{line}\n").as_bytes())
}

/// Writes bytes of the result to standard output as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let written = beside_bar(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    });
    written.map_err(|error| match error.kind() {
        // Whoever read it has seen enough, and would not see a message either.
        io::ErrorKind::BrokenPipe => Failure::silent(Exit::Other),
        _ => Failure::new(Exit::Other, format!("standard output cannot be written: {error}"), "Send it elsewhere."),
    })
}

/// Writes one line for the person to standard error. That nobody reads it changes nothing.
pub(crate) fn note(line: impl Display) {
    let _ = beside_bar(|| writeln!(io::stderr().lock(), "{line}"));
}

/// Notes which bar has to step aside for lines.
pub(crate) fn show_bar(bar: &ProgressBar) {
    current().replace(bar.clone());
}

/// Takes the bar away for good.
pub(crate) fn end_bar() {
    if let Some(bar) = current().take() {
        bar.finish_and_clear();
    }
}

fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    let bar = current().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn current() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}
