//! How many requests somebody may send within a while. Counted in this process alone.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those that are remembered; beyond them the half that owes the least starts anew.
const MAX_REMEMBERED: usize = 1 << 16;

/// So many requests within so long, and on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests, at least 1.
    pub requests: u32,
    /// Within which time, at least 1 s.
    pub per: Duration,
}

/// Requests by who sent them.
pub struct Rates<Who> {
    rate: Option<Rate>,
    /// When everything that somebody sent is paid off, at one request each `per / requests`.
    paid_off: Mutex<HashMap<Who, Instant>>,
}

impl<Who> fmt::Debug for Rates<Who> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl<Who: Eq + Hash> Rates<Who> {
    /// Counts nothing and lets everything pass without a rate.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, paid_off: Mutex::default() }
    }

    /// Counts one request at `now`, a moment of a clock that never jumps.
    ///
    /// # Errors
    /// How long to wait, when it is one too many; then it does not count.
    pub fn take(&self, who: Who, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let each = rate.per / rate.requests.max(1);
        let mut paid_off = self.paid_off.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is known stays known: no crowd of others pays off what somebody owes by his own next request.
        if paid_off.len() >= MAX_REMEMBERED && !paid_off.contains_key(&who) {
            paid_off.retain(|_, at| *at > now);
            if paid_off.len() >= MAX_REMEMBERED {
                forget_half(&mut paid_off);
            }
        }
        let owed = paid_off.get(&who).map_or(Duration::ZERO, |at| at.saturating_duration_since(now)) + each;
        if owed > rate.per {
            return Err(owed - rate.per);
        }
        paid_off.insert(who, now + owed);
        Ok(())
    }
}

/// Those who owe the most stay: a crowd does not pay off what its own members owe.
fn forget_half<Who: Eq + Hash>(paid_off: &mut HashMap<Who, Instant>) {
    let mut ends: Vec<Instant> = paid_off.values().copied().collect();
    let middle = ends.len() / 2;
    let (_, middle, _) = ends.select_nth_unstable(middle);
    let mut left = paid_off.len() / 2;
    paid_off.retain(|_, at| {
        let stays = *at > *middle || (*at == *middle && left > 0);
        left = left.saturating_sub(usize::from(stays));
        stays
    });
}

#[cfg(test)]
mod tests;
