//! A body that drips is noticed: a byte now and then would otherwise never be a stall.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{CallError, STALL_TIMEOUT, outcome, stalled};

/// A body must bring this much within each span of [`FLOOR_SPAN`]: 1 KiB/s.
const FLOOR_BYTES: u64 = 60 << 10;
const FLOOR_SPAN: Duration = Duration::from_secs(60);

/// Notices a body that drips: it would otherwise never be a stalled one.
pub(super) struct Floor {
    judged_at: Instant,
    moved: u64,
}

impl Floor {
    /// The first pause may be longer.
    pub(super) fn new() -> Self {
        Self { judged_at: Instant::now() + STALL_TIMEOUT, moved: 0 }
    }

    pub(super) async fn next(&mut self, response: &mut Response) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Ok(piece) = timeout_at(self.judged_at, response.chunk()).await {
                let piece = piece.map_err(|error| outcome::of_failure(&error))?;
                self.moved += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                return Ok(piece);
            }
            self.judge()?;
        }
    }

    /// Called once a span is over.
    fn judge(&mut self) -> Result<(), CallError> {
        if self.moved < FLOOR_BYTES {
            return Err(stalled());
        }
        *self = Self { judged_at: Instant::now() + FLOOR_SPAN, moved: 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
