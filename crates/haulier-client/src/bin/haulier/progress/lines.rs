//! Progress as plain lines, for logs and for terminals that cannot redraw a line.

use std::time::{Duration, Instant};

use haulier_client::progress::Notice;

use super::count::Count;
use super::{Show, words};
use crate::screen;

pub(super) struct Lines {
    pub(super) verb: &'static str,
}

impl Show for Lines {
    fn start(&mut self, count: &Count) {
        let chunks = words::counted(count.total_chunks, "chunk", "chunks");
        let files = if count.files > 1 { format!("{} files, ", count.files) } else { String::new() };
        let here = if count.present_bytes > 0 {
            format!("; {} need not travel again", words::bytes(count.present_bytes))
        } else {
            String::new()
        };
        screen::note(format_args!("{} {files}{} in {chunks}{here}", self.verb, words::bytes(count.total_bytes)));
    }

    fn tick(&mut self, count: &Count, now: Instant) {
        screen::note(words::line(count, self.verb, now));
    }

    /// A night's transfer is to leave a log that can be read.
    fn every(&self, ran: Duration) -> Duration {
        Duration::from_secs(match ran.as_secs() {
            0..60 => 5,
            60..600 => 30,
            _ => 60,
        })
    }

    fn retry(&mut self, reason: &str, delay: Duration) {
        screen::note(words::retry(reason, delay));
    }

    fn notice(&mut self, notice: &Notice) {
        screen::note(words::notice(notice));
    }
}
