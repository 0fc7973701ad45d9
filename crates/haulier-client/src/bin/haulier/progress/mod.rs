//! Progress for a person at a terminal, for a log, and for a script.
//!
//! Events come from many tasks and are only counted. What is shown is driven by a clock of its own, so that it lives on
//! when nothing moves: the speed falls, the wait for the next try counts down.

mod bar;
mod count;
mod json;
mod lines;
mod words;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use haulier_client::progress::{Event, Notice, Progress, Silent};

use crate::cli::CommonArgs;
use count::Count;

/// How often it is asked whether something is due.
const BEAT: Duration = Duration::from_millis(100);
/// Shorter waits are not worth a line.
const TOLD_DELAY: Duration = Duration::from_secs(1);
/// Chunks under way at once fail at once: one line speaks for all of them.
const RETRY_EVERY: Duration = Duration::from_secs(3);
/// The same reason again is news after this long.
const SAME_RETRY_EVERY: Duration = Duration::from_secs(30);

/// Chooses how progress is shown.
pub(crate) fn for_command(common: &CommonArgs, verb: &'static str) -> Arc<dyn Progress> {
    if common.quiet {
        return Arc::new(Silent);
    }
    let show: Box<dyn Show> = if common.json {
        Box::new(json::Json)
    } else if std::io::stderr().is_terminal() && steers(std::env::var("TERM").ok().as_deref()) {
        Box::new(bar::Bar::new(verb))
    } else {
        Box::new(lines::Lines { verb })
    };
    let teller = Arc::new(Teller { inner: Mutex::new(Inner::new(show)) });
    let watched = Arc::downgrade(&teller);
    // Without the thread, events alone would still be told.
    let _ = thread::Builder::new().name("progress".into()).spawn(move || beat(&watched));
    teller
}

/// Whether a terminal of this kind can redraw a line. Colours are used nowhere, so `NO_COLOR` has nothing to say here.
fn steers(term: Option<&str>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// One way to show it.
trait Show: Send {
    /// Sizes are known; comes again when the transfer starts anew.
    fn start(&mut self, _: &Count) {}
    /// Shows where it stands; called as often as `every` says.
    fn tick(&mut self, count: &Count, now: Instant);
    /// How long until the next tick, after the command ran for so long.
    fn every(&self, ran: Duration) -> Duration;
    /// A wait that is worth telling.
    fn retry(&mut self, _reason: &str, _delay: Duration) {}
    /// The sender is still uploading.
    fn waiting(&mut self) {}
    fn notice(&mut self, notice: &Notice);
    /// All chunks travelled.
    fn finishing(&mut self, _count: &Count, _now: Instant) {}
}

struct Teller {
    inner: Mutex<Inner>,
}

struct Inner {
    count: Count,
    show: Box<dyn Show>,
    begun: Instant,
    shown: Instant,
    retry_told: Option<(Instant, String)>,
}

impl Progress for Teller {
    fn on(&self, event: Event) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).on(&event, Instant::now());
    }
}

/// Runs until the command has ended.
fn beat(watched: &Weak<Teller>) {
    while let Some(teller) = watched.upgrade() {
        teller.inner.lock().unwrap_or_else(PoisonError::into_inner).beat(Instant::now());
        drop(teller);
        thread::sleep(BEAT);
    }
}

impl Inner {
    fn new(show: Box<dyn Show>) -> Self {
        let now = Instant::now();
        Self { count: Count::default(), show, begun: now, shown: now, retry_told: None }
    }

    fn on(&mut self, event: &Event, now: Instant) {
        self.count.on(event, now);
        match event {
            Event::Started { .. } => self.show.start(&self.count),
            Event::Waiting => self.show.waiting(),
            Event::Retry { reason, delay } if self.is_news(reason, *delay, now) => {
                self.retry_told = Some((now, reason.clone()));
                self.show.retry(reason, *delay);
            }
            Event::Finishing => self.show.finishing(&self.count, now),
            Event::Notice(notice) => self.show.notice(notice),
            _ => {}
        }
    }

    fn is_news(&self, reason: &str, delay: Duration, now: Instant) -> bool {
        let Some((then, told)) = &self.retry_told else { return delay >= TOLD_DELAY };
        let pause = if told == reason { SAME_RETRY_EVERY } else { RETRY_EVERY };
        delay >= TOLD_DELAY && now.duration_since(*then) >= pause
    }

    fn beat(&mut self, now: Instant) {
        self.count.sample(now);
        let every = self.show.every(now.duration_since(self.begun));
        if self.count.has_begun() && now.duration_since(self.shown) >= every {
            self.shown = now;
            self.show.tick(&self.count, now);
        }
    }
}

#[cfg(test)]
mod tests;
