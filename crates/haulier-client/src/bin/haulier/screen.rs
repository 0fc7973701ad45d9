//! What reaches the screen: results on standard output, everything else on standard error. A bar in between is taken
//! away while a line is written, and a reader who went away ends the program instead of letting it panic.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use console::Term;
use indicatif::ProgressBar;
use rustix::fs::{OFlags, fcntl_getfl, fstat};

use crate::error::{Exit, Failure};
use crate::text;

/// The bar that is on the screen now: there is one screen, so there is at most one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Narrower terminals are treated as this wide.
const FEWEST_COLUMNS: usize = 30;

/// Writes one line of what a command did to standard output. That nobody takes it is a failure, and told as one.
pub(crate) fn out(line: impl Display) -> Result<(), Failure> {
    write_out(format!("{line}\n").as_bytes()).map_err(|error| unwritten(&error))
}

/// Writes one line of what a command was only asked to show. Whoever stops reading it has seen enough.
pub(crate) fn show(line: impl Display) -> Result<(), Failure> {
    raw(format!("{line}\n").as_bytes())
}

/// As [`show`], for bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    write_out(bytes).map_err(|error| match error.kind() {
        // Nobody would see a message either.
        io::ErrorKind::BrokenPipe => Failure::silent(Exit::Other),
        _ => unwritten(&error),
    })
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    beside_bar(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    })
}

fn unwritten(error: &io::Error) -> Failure {
    let advice = "Send it elsewhere. What the command was to do is done; only its words are lost.";
    Failure::new(Exit::Other, format!("standard output cannot be written: {error}"), advice)
}

/// Whether standard output was closed when the program began. By then, the place of what was closed is taken by
/// `/dev/null` for reading and writing, which swallows every word; `> /dev/null` is for writing alone.
pub(crate) fn out_is_closed() -> bool {
    let stdout = io::stdout();
    let to = fstat(stdout.as_fd()).map(|to| to.st_rdev).ok();
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev()).ok();
    let both_ways = fcntl_getfl(stdout.as_fd()).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    to.is_some() && to == null && both_ways
}

/// Writes lines for the person to standard error, broken between words where the terminal ends. That nobody reads them
/// changes nothing.
pub(crate) fn note(lines: impl Display) {
    let lines = lines.to_string();
    match io::stderr().is_terminal().then(|| usize::from(Term::stderr().size().1).max(FEWEST_COLUMNS)) {
        Some(columns) => drawing(text::fitted(&lines, columns)),
        None => drawing(lines),
    }
}

/// As [`note`], for lines that must stay as they are.
pub(crate) fn drawing(lines: impl Display) {
    let _ = beside_bar(|| writeln!(io::stderr().lock(), "{lines}"));
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
