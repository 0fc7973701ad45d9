//! Progress for a person at a terminal, for a log, and for a script.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use haulier_client::progress::{Event, Notice, Progress, Silent};
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::CommonArgs;

const LINE_EVERY: Duration = Duration::from_secs(5);
const EVENT_EVERY: Duration = Duration::from_secs(1);
/// Shorter waits are not worth a line.
const TOLD_DELAY: Duration = Duration::from_secs(1);
/// Chunks under way at once fail at once: one line speaks for all of them.
const RETRY_LINE_EVERY: Duration = Duration::from_secs(3);

/// Chooses how progress is shown.
pub(crate) fn for_command(common: &CommonArgs, verb: &'static str) -> Arc<dyn Progress> {
    if common.quiet {
        return Arc::new(Silent);
    }
    let show: Box<dyn Show> = if common.json {
        Box::new(Json)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bar { verb, bar: ProgressBar::hidden() })
    } else {
        Box::new(Lines { verb })
    };
    Arc::new(Teller { inner: Mutex::new(Inner { count: Count::default(), last: None, told: None, show }) })
}

/// What is known so far.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    total_bytes: u64,
    moved_bytes: u64,
    present_bytes: u64,
    total_chunks: u32,
    in_flight: u32,
    retries: u32,
    began: Option<Instant>,
}

/// One way to show it.
trait Show: Send {
    fn start(&mut self, count: &Count);
    /// Called at most as often as `every` says.
    fn tick(&mut self, count: &Count);
    fn every(&self) -> Duration;
    fn retry(&mut self, reason: &str, delay: Duration);
    fn notice(&mut self, notice: &Notice);
    fn finish(&mut self, count: &Count);
}

struct Teller {
    inner: Mutex<Inner>,
}

struct Inner {
    count: Count,
    last: Option<Instant>,
    told: Option<Instant>,
    show: Box<dyn Show>,
}

impl Progress for Teller {
    fn on(&self, event: Event) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).on(event);
    }
}

impl Inner {
    fn on(&mut self, event: Event) {
        let Self { count, last, told, show } = self;
        match event {
            Event::Started { sealed_bytes, present_bytes, total_chunks, .. } => {
                let retries = count.retries;
                let began = Some(Instant::now());
                *count = Count {
                    total_bytes: sealed_bytes,
                    present_bytes,
                    total_chunks,
                    retries,
                    began,
                    ..Count::default()
                };
                *last = began;
                show.start(count);
            }
            // Told by what follows.
            Event::Prepared { .. } | Event::Waiting | Event::FileDone => {}
            Event::ChunkStarted => count.in_flight += 1,
            Event::ChunkDone => count.in_flight = count.in_flight.saturating_sub(1),
            Event::Moved(bytes) => count.moved_bytes += bytes,
            Event::TakenBack(bytes) => count.moved_bytes = count.moved_bytes.saturating_sub(bytes),
            Event::Retry { reason, delay } => {
                count.retries += 1;
                if delay >= TOLD_DELAY && told.is_none_or(|told| told.elapsed() >= RETRY_LINE_EVERY) {
                    *told = Some(Instant::now());
                    show.retry(&reason, delay);
                }
            }
            Event::Finishing => {
                *last = None;
                show.finish(count);
            }
            Event::Notice(notice) => show.notice(&notice),
        }
        if let Some(then) = last.as_mut().filter(|then| then.elapsed() >= show.every()) {
            *then = Instant::now();
            show.tick(count);
        }
    }
}

impl Count {
    fn done(&self) -> u64 {
        (self.present_bytes + self.moved_bytes).min(self.total_bytes)
    }

    fn bytes_per_second(&self) -> u64 {
        let millis = self.began.map_or(0, |began| began.elapsed().as_millis()).max(1);
        u64::try_from(u128::from(self.moved_bytes) * 1_000 / millis).unwrap_or(u64::MAX)
    }

    fn seconds_left(&self) -> Option<u64> {
        (self.total_bytes - self.done()).checked_div(self.bytes_per_second())
    }

    fn line(&self, verb: &str) -> String {
        let percent = (self.done() * 100).checked_div(self.total_bytes).unwrap_or(100);
        let left = self
            .seconds_left()
            .map_or_else(String::new, |seconds| format!(", {} left", HumanDuration(Duration::from_secs(seconds))));
        let retries = if self.retries > 0 { format!(", {} retries", self.retries) } else { String::new() };
        format!(
            "{verb} {percent}% of {}, {}/s{left}, {} under way{retries}",
            HumanBytes(self.total_bytes),
            HumanBytes(self.bytes_per_second()),
            chunks(self.in_flight)
        )
    }
}

fn chunks(count: u32) -> String {
    if count == 1 { "1 chunk".into() } else { format!("{count} chunks") }
}

/// Says a notice to a person.
fn words(notice: &Notice) -> String {
    match notice {
        Notice::Renamed { name, others: 0 } => {
            format!("The receiver will see it as {name:?}: not every system can store its name.")
        }
        Notice::Renamed { name, others } => {
            format!("{} names were changed, such as {name:?}: not every system can store them.", others + 1)
        }
        Notice::Resuming => "Going on where an earlier run stopped.".into(),
        Notice::LeftOut { count } => format!("Left out: {count} links, pipes, sockets or devices."),
        Notice::EmptyFolders { count } => format!("{count} empty folders do not travel; --tar would keep them."),
        Notice::StateInUse => "Another process is sending this file; this is a transfer of its own.".into(),
        Notice::StateUnusable => "An earlier upload cannot go on; a new transfer starts.".into(),
        Notice::KeptUnusable => "What an earlier run kept cannot be used; starting anew.".into(),
        Notice::Kept => "What has arrived is kept; the same command goes on from there.".into(),
        Notice::InputChanged => "The file has changed since the upload began; a new transfer starts.".into(),
        Notice::SmallerChunks { chunk_bytes, proxy } => {
            let why =
                if *proxy { "A proxy refuses large requests" } else { "The network breaks before a chunk is through" };
            format!("{why}; a new transfer starts with chunks of {}.", HumanBytes(*chunk_bytes))
        }
        Notice::NoMetadata => "The sender gave no name: the file is named after the transfer.".into(),
    }
}

fn retry_words(reason: &str, delay: Duration) -> String {
    format!("{reason}; trying again in {} s", delay.as_secs())
}

struct Bar {
    verb: &'static str,
    bar: ProgressBar,
}

impl Show for Bar {
    fn start(&mut self, count: &Count) {
        let template = "{prefix} {bar:24} {percent}% of {total_bytes}  {binary_bytes_per_sec}  {eta} left  {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::new(count.total_bytes).with_style(style).with_prefix(self.verb);
        self.bar.set_position(count.done());
        self.bar.reset_eta();
    }

    fn tick(&mut self, count: &Count) {
        self.bar.set_position(count.done());
        let retries = if count.retries > 0 { format!(", {} retries", count.retries) } else { String::new() };
        self.bar.set_message(format!("{} under way{retries}", chunks(count.in_flight)));
    }

    fn every(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn retry(&mut self, reason: &str, delay: Duration) {
        let text = retry_words(reason, delay);
        // Before the first chunk there is no bar to put it beside.
        if self.bar.is_hidden() { eprintln!("{text}") } else { self.bar.set_message(text) }
    }

    fn notice(&mut self, notice: &Notice) {
        self.bar.suspend(|| eprintln!("{}", words(notice)));
    }

    fn finish(&mut self, _: &Count) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

struct Lines {
    verb: &'static str,
}

impl Show for Lines {
    fn start(&mut self, count: &Count) {
        eprintln!("{} {} in {}", self.verb, HumanBytes(count.total_bytes), chunks(count.total_chunks));
    }

    fn tick(&mut self, count: &Count) {
        eprintln!("{}", count.line(self.verb));
    }

    fn every(&self) -> Duration {
        LINE_EVERY
    }

    fn retry(&mut self, reason: &str, delay: Duration) {
        eprintln!("{}", retry_words(reason, delay));
    }

    fn notice(&mut self, notice: &Notice) {
        eprintln!("{}", words(notice));
    }

    fn finish(&mut self, _: &Count) {}
}

/// One JSON object a line on standard output.
struct Json;

impl Show for Json {
    fn start(&mut self, count: &Count) {
        println!(
            "{}",
            json!({
                "event": "started",
                "sealed_bytes": count.total_bytes,
                "present_bytes": count.present_bytes,
                "total_chunks": count.total_chunks,
            })
        );
    }

    fn tick(&mut self, count: &Count) {
        println!(
            "{}",
            json!({
                "event": "progress",
                "done_bytes": count.done(),
                "bytes_per_second": count.bytes_per_second(),
                "chunks_in_flight": count.in_flight,
                "retries": count.retries,
            })
        );
    }

    fn every(&self) -> Duration {
        EVENT_EVERY
    }

    fn retry(&mut self, reason: &str, delay: Duration) {
        println!(
            "{}",
            json!({ "event": "retry", "reason": reason, "delay_ms": u64::try_from(delay.as_millis()).ok() })
        );
    }

    fn notice(&mut self, notice: &Notice) {
        println!("{}", json!({ "event": "notice", "message": words(notice) }));
    }

    fn finish(&mut self, count: &Count) {
        self.tick(count);
    }
}
