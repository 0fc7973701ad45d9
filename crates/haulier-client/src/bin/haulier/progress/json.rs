//! Progress as JSON, one object a line on standard output (docs/CLI.md, "Events").
//!
//! A reader who went away does not stop the transfer; that nobody takes the result is noticed at the end.

use std::time::{Duration, Instant};

use haulier_client::progress::{Notice, Work};
use serde_json::{Value, json};

use super::count::{Count, Phase};
use super::{Show, words};
use crate::screen;

pub(super) struct Json;

impl Show for Json {
    fn start(&mut self, count: &Count) {
        tell(&json!({
            "event": "started",
            "transfer_id": count.transfer_id,
            "sealed_bytes": count.total_bytes,
            "present_bytes": count.present_bytes,
            "total_chunks": count.total_chunks,
            "files": count.files,
        }));
    }

    fn tick(&mut self, count: &Count, now: Instant) {
        match count.phase {
            Phase::Preparing(work) => {
                let work = match work {
                    Work::Spooling => "spooling",
                    Work::Checking => "checking",
                };
                tell(&json!({ "event": "preparing", "work": work, "bytes": count.done_bytes() }));
            }
            Phase::Travelling | Phase::Finishing => tell(&json!({
                "event": "progress",
                "done_bytes": count.done_bytes(),
                "sealed_bytes": count.total_bytes,
                "bytes_per_second": count.bytes_per_second(now),
                "seconds_left": count.seconds_left(now),
                "files_done": count.files_done,
                "chunks_in_flight": count.in_flight,
                "retries": count.retries,
            })),
            Phase::Before | Phase::Waiting => {}
        }
    }

    fn every(&self, _: Duration) -> Duration {
        Duration::from_secs(1)
    }

    fn retry(&mut self, reason: &str, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        tell(&json!({ "event": "retry", "reason": reason, "delay_ms": delay_ms }));
    }

    fn waiting(&mut self) {
        tell(&json!({ "event": "waiting" }));
    }

    fn notice(&mut self, notice: &Notice) {
        tell(&json!({ "event": "notice", "notice": code(notice), "message": words::notice(notice) }));
    }

    fn finishing(&mut self, count: &Count, now: Instant) {
        self.tick(count, now);
        tell(&json!({ "event": "finishing" }));
    }
}

fn tell(event: &Value) {
    let _ = screen::out(event);
}

fn code(notice: &Notice) -> &'static str {
    match notice {
        Notice::Renamed { .. } => "renamed",
        Notice::Resuming | Notice::ResumingLocked { .. } => "resuming",
        Notice::OtherPassphrase => "other-passphrase",
        Notice::LeftOut { .. } => "left-out",
        Notice::EmptyFolders { .. } => "empty-folders",
        Notice::StateInUse => "state-in-use",
        Notice::StateUnusable => "state-unusable",
        Notice::InputChanged => "input-changed",
        Notice::SmallerChunks { .. } => "smaller-chunks",
        Notice::NotRecorded => "not-recorded",
        Notice::IdTaken => "id-taken",
        Notice::KeptUnusable => "kept-unusable",
        Notice::Kept { .. } => "kept",
        Notice::NotOurs { .. } => "not-ours",
        Notice::DotName { .. } => "dot-name",
        Notice::NoMetadata => "no-metadata",
    }
}
