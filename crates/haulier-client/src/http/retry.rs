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

    /// Begins a request that may take several tries.
    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { retry: self, failing_since: None, failures: 0 }
    }

    /// Notes that an answer came: patience starts anew.
    fn met(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Patience { last_success: Instant::now(), met: true };
    }

    /// Notes that somebody is there, who asks to wait: that is worth the patience that a silent address is not.
    fn has_answered(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).met = true;
    }

    fn deadline(&self, failing_since: Instant) -> Instant {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if state.met { self.policy.give_up } else { self.policy.first_contact };
        // Also after a quiet phase or a slow try, the first failure has the full patience ahead.
        state.last_success.max(failing_since) + patience
    }
}

/// The tries of one request.
pub(crate) struct Tries<'a> {
    retry: &'a Retry,
    failing_since: Option<Instant>,
    failures: u32,
}

impl Tries<'_> {
    /// Notes that a connection was there and broke: nobody is overloaded, so the next try can come soon. Patience goes on.
    pub(crate) fn broke_midway(&mut self) {
        self.failures = 0;
    }

    /// Notes that a try brought something that need not travel again, although it failed: patience starts anew.
    pub(crate) fn progressed(&mut self) {
        self.failing_since = None;
        self.failures = 0;
        self.retry.met();
    }

    /// Returns a final answer at once. Otherwise waits and returns `None`: the same request is to be sent again.
    ///
    /// The last [`CallError::Again`] is final once patience is over.
    pub(crate) async fn judge<T>(&mut self, answer: Result<T, CallError>) -> Option<Result<T, CallError>> {
        let (reason, after) = match answer {
            Err(CallError::Again { reason, after }) => (reason, after),
            answer => {
                self.retry.met();
                return Some(answer);
            }
        };
        let Retry { policy, ambient, progress, .. } = self.retry;
        if after.is_some() {
            self.retry.has_answered();
        }
        self.failures = self.failures.saturating_add(1);
        let failing_since = *self.failing_since.get_or_insert_with(Instant::now);
        let jittered = policy.delay(self.failures, ambient.random_u64());
        let delay = after.map_or(jittered, |after| after + jittered.min(Duration::from_secs(1)));
        if Instant::now() + delay > self.retry.deadline(failing_since) {
            return Some(Err(CallError::Again { reason, after }));
        }
        progress.on(Event::Retry { reason, delay });
        sleep(delay).await;
        None
    }
}

/// Sends a request until its answer is final: `until_final!(retry, api.config())`.
///
/// A macro, since the future of a function that takes an async closure is not known to be `Send`.
macro_rules! until_final {
    ($retry:expr, $call:expr) => {{
        let mut tries = $retry.tries();
        loop {
            if let Some(answer) = tries.judge($call.await).await {
                break answer;
            }
        }
    }};
}
pub(crate) use until_final;

#[cfg(test)]
mod tests;
