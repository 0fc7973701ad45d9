//! Trying again: exponential backoff with full jitter, and an end to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ambient::Ambient;
use crate::http::outcome::CallError;
use crate::progress::{Event, Progress};

/// How long to wait between tries, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Longest wait before the second try.
    pub first: Duration,
    /// Longest wait before any try.
    pub longest: Duration,
    /// Time without any success after which it ends.
    pub give_up: Duration,
    /// The same for the first request, whose server may not exist at all.
    pub first_contact: Duration,
}

impl Default for RetryPolicy {
    /// 0.25 s doubling up to 30 s; 10 minutes, and 10 seconds for the first request.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
            give_up: Duration::from_secs(600),
            first_contact: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The wait before try `failures + 1`: anything up to `first` * 2^(failures - 1), at most `longest`, by `random`.
    ///
    /// Full jitter: the whole range, so that clients that failed together do not come back together.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let ceiling = u64::try_from(doubled.min(self.longest).as_micros()).unwrap_or(u64::MAX);
        let micros = (u128::from(random) * (u128::from(ceiling) + 1)) >> 64;
        Duration::from_micros(u64::try_from(micros).unwrap_or(ceiling))
    }
}

/// Tries requests again until they succeed, fail for good, or nothing has succeeded for too long.
pub(crate) struct Retry {
    policy: RetryPolicy,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
    state: Mutex<Patience>,
}

struct Patience {
    last_success: Instant,
    met: bool,
}

impl Retry {
    pub(crate) fn new(policy: RetryPolicy, ambient: Ambient, progress: Arc<dyn Progress>) -> Self {
        let state = Mutex::new(Patience { last_success: Instant::now(), met: false });
        Self { policy, ambient, progress, state }
    }

    /// Sends a request until its answer is final.
    ///
    /// # Errors
    /// A final [`CallError`], or the last [`CallError::Again`] once patience is over.
    pub(crate) async fn run<T>(&self, mut send: impl AsyncFnMut() -> Result<T, CallError>) -> Result<T, CallError> {
        let started = Instant::now();
        let mut failures = 0_u32;
        loop {
            let (reason, after) = match send().await {
                Err(CallError::Again { reason, after }) => (reason, after),
                answer => {
                    self.met();
                    return answer;
                }
            };
            failures = failures.saturating_add(1);
            let jittered = self.policy.delay(failures, self.ambient.random_u64());
            let delay = after.map_or(jittered, |after| after + jittered.min(Duration::from_secs(1)));
            if Instant::now() + delay > self.deadline(started) {
                return Err(CallError::Again { reason, after });
            }
            self.progress.on(Event::Retry { reason, delay });
            sleep(delay).await;
        }
    }

    /// Notes that bytes moved or an answer came: patience starts anew.
    pub(crate) fn met(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Patience { last_success: Instant::now(), met: true };
    }

    fn deadline(&self, started: Instant) -> Instant {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if state.met { self.policy.give_up } else { self.policy.first_contact };
        // A request that began after a long quiet phase (a passphrase was asked for) has its own full patience.
        state.last_success.max(started) + patience
    }
}

#[cfg(test)]
mod tests;
