//! What is known of a transfer that travels: counted from its events, read off at any moment.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use haulier_client::progress::{Event, Work};

/// The speed that is shown is that of this long.
const SPEED_SPAN: Duration = Duration::from_secs(5);
/// Samples of what has moved are taken this far apart.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// While bytes moved so recently, a try that failed beside them is no standstill.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The next try of a request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) reason: String,
    pub(super) until: Instant,
}

/// What is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was heard yet.
    #[default]
    Before,
    /// Work on this machine, before anything can travel.
    Preparing(Work),
    /// The sender is still uploading.
    Waiting,
    /// Chunks travel.
    Travelling,
    /// All chunks travelled.
    Finishing,
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) phase: Phase,
    pub(super) transfer_id: Option<String>,
    pub(super) total_bytes: u64,
    pub(super) present_bytes: u64,
    pub(super) total_chunks: u32,
    pub(super) files: u32,
    pub(super) files_done: u32,
    pub(super) in_flight: u32,
    pub(super) retries: u32,
    moved_bytes: u64,
    /// The most that had ever moved. Shown instead of what has moved, which goes back and forth where connections break:
    /// a dead one takes bytes as well, until it is known to be dead.
    best_bytes: u64,
    wait: Option<Wait>,
    last_moved: Option<Instant>,
    samples: VecDeque<(Instant, u64)>,
}

impl Count {
    pub(super) fn on(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Started { transfer_id, sealed_bytes, present_bytes, total_chunks, files } => {
                *self = Self {
                    phase: Phase::Travelling,
                    transfer_id: Some(transfer_id.to_string()),
                    total_bytes: *sealed_bytes,
                    present_bytes: *present_bytes,
                    total_chunks: *total_chunks,
                    files: *files,
                    retries: self.retries,
                    samples: VecDeque::from([(now, 0)]),
                    ..Self::default()
                };
            }
            Event::Prepared { work, bytes } => self.prepare(*work, *bytes, now),
            Event::Waiting => (self.phase, self.wait) = (Phase::Waiting, None),
            Event::ChunkStarted => self.in_flight += 1,
            Event::ChunkDone => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.wait = None;
            }
            Event::FileDone => self.files_done += 1,
            Event::Moved(bytes) => self.advance(*bytes, now),
            Event::TakenBack(bytes) => {
                // What an earlier run left can turn out to be worth nothing.
                let present = bytes.saturating_sub(self.moved_bytes);
                self.moved_bytes = self.moved_bytes.saturating_sub(*bytes);
                self.present_bytes = self.present_bytes.saturating_sub(present);
            }
            Event::Retry { reason, delay } => {
                self.retries += 1;
                self.wait = Some(Wait { reason: reason.clone(), until: now + *delay });
            }
            Event::Finishing => {
                (self.phase, self.wait) = (Phase::Finishing, None);
            }
            Event::Notice(_) => {}
        }
    }

    fn prepare(&mut self, work: Work, bytes: u64, now: Instant) {
        if self.phase != Phase::Preparing(work) {
            let retries = self.retries;
            *self = Self { phase: Phase::Preparing(work), retries, ..Self::default() };
            self.samples.push_back((now, 0));
        }
        self.advance(bytes, now);
    }

    fn advance(&mut self, bytes: u64, now: Instant) {
        self.moved_bytes += bytes;
        if self.moved_bytes > self.best_bytes {
            self.best_bytes = self.moved_bytes;
            self.last_moved = Some(now);
            self.wait = None;
        }
        // The try that was waited for goes well so far, although it has to catch up.
        if self.wait.as_ref().is_some_and(|wait| now > wait.until + STANDSTILL) {
            self.wait = None;
        }
    }

    /// Notes how far it is, for the speed.
    pub(super) fn sample(&mut self, now: Instant) {
        if self.samples.back().is_some_and(|(then, _)| now.duration_since(*then) < SAMPLE_EVERY) {
            return;
        }
        self.samples.push_back((now, self.moved_bytes));
        // One sample from before the span stays, so that the span is covered.
        while self.samples.get(1).is_some_and(|(then, _)| now.duration_since(*then) >= SPEED_SPAN) {
            self.samples.pop_front();
        }
    }

    /// Whether there is anything to show.
    pub(super) fn has_begun(&self) -> bool {
        self.phase != Phase::Before || self.wait.is_some()
    }

    /// Bytes that are where they belong, of `total_bytes`; of the work on this machine, all that were worked through.
    pub(super) fn done_bytes(&self) -> u64 {
        let done = self.present_bytes + self.best_bytes;
        if matches!(self.phase, Phase::Preparing(_)) { done } else { done.min(self.total_bytes) }
    }

    /// Of the last seconds.
    pub(super) fn bytes_per_second(&self, now: Instant) -> u64 {
        let Some((then, moved)) = self.samples.front() else { return 0 };
        let millis = now.duration_since(*then).as_millis();
        // The first moments say nothing yet.
        if millis < SAMPLE_EVERY.as_millis() {
            return 0;
        }
        let bytes = u128::from(self.moved_bytes.saturating_sub(*moved));
        u64::try_from(bytes * 1_000 / millis).unwrap_or(u64::MAX)
    }

    /// `None` while nothing moves.
    pub(super) fn seconds_left(&self, now: Instant) -> Option<u64> {
        (self.total_bytes - self.done_bytes().min(self.total_bytes)).checked_div(self.bytes_per_second(now))
    }

    pub(super) fn percent(&self) -> u64 {
        let percent = u128::from(self.done_bytes()) * 100;
        u64::try_from(percent.checked_div(u128::from(self.total_bytes)).unwrap_or(100)).unwrap_or(100)
    }

    /// The wait for the next try, while nothing else moves.
    pub(super) fn standstill(&self, now: Instant) -> Option<&Wait> {
        let moving = self.last_moved.is_some_and(|then| now.duration_since(then) < STANDSTILL);
        self.wait.as_ref().filter(|_| !moving)
    }
}
