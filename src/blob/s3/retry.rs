//! The same request again, a little later each time, until there is no hope that it works soon.
//!
//! The SDK could do it as well, but it counts attempts and not time, starts its clock before the client has sent its
//! bytes, and knows nothing of [`Pressure`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::pressure::{Place, Pressure};
use crate::entropy::Entropy;

/// The store may be silent for so long before a request counts as lost.
pub(super) const SILENCE: Duration = Duration::from_secs(15);
/// After its first failure a request is tried again for so long.
const HOPE: Duration = Duration::from_secs(20);
/// The first pause; each next one is up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Repeats requests to one store.
#[derive(Debug)]
pub(super) struct Retry {
    pressure: Arc<Pressure>,
    entropy: Arc<dyn Entropy>,
}

impl Retry {
    pub(super) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { pressure: Pressure::new(), entropy }
    }

    /// Makes a request that should be answered at once, again and again while that may help.
    pub(super) async fn ask<T, F, R>(&self, request: F) -> Result<T, Failure>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, Failure>>,
    {
        let timed = |place: Place| {
            let request = request();
            async move {
                let _place = place;
                let answer = tokio::time::timeout(SILENCE, request).await;
                answer.unwrap_or_else(|_| Err(Failure::silent("the store does not answer")))
            }
        };
        self.repeat(timed, || true).await
    }

    /// As [`Retry::ask`], for a request that minds the time itself, and only while `can_repeat`.
    pub(super) async fn repeat<T, F, R>(&self, request: F, can_repeat: impl Fn() -> bool) -> Result<T, Failure>
    where
        F: Fn(Place) -> R,
        R: Future<Output = Result<T, Failure>>,
    {
        let (mut attempt, mut first_failure) = (0, None);
        loop {
            let place = self.pressure.enter(HOPE).await?;
            let outcome = request(place).await;
            self.pressure.learn(&outcome);
            let pause = self.pause(attempt);
            let tried_since = *first_failure.get_or_insert_with(Instant::now);
            match &outcome {
                Err(failure) if failure.may_pass() && can_repeat() && tried_since.elapsed() + pause < HOPE => {
                    tracing::debug!(attempt, ?failure, "a request to the store is made again");
                }
                _ => return outcome,
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Doubles, and takes a random half of that off: many that failed at once must not come back at once.
    fn pause(&self, attempt: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
        let [byte, ..] = self.entropy.bytes();
        longest / 2 + longest.mul_f64(f64::from(byte) / 512.0)
    }
}

#[cfg(test)]
mod tests;
