//! Readiness: the database is asked once at a time, and the question goes on when nobody waits for its answer any more.
//!
//! On a slow network a new connection takes seconds, more than a load balancer waits. A question that ended with whoever
//! asked would take its new connection along, and so would the next one: not ready, for as long as the network is slow.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::session::Patience;
use crate::store::StoreError;

/// For a question: what fails at once is tried again for a moment, since a connection that was kept may have died.
/// A single try may open a connection and ask over it on a network that takes half a second for each word.
pub(super) const QUESTION: Patience =
    Patience { retry_for: Duration::from_secs(1), longest_try: Duration::from_secs(6) };
/// Whoever asks has no time to wait for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// That the database was well stands for so long while the next answer is on its way.
const STANDS: Duration = Duration::from_secs(10);

/// What is known of the database's health.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The question that is being asked, or was asked last.
    asked: Option<watch::Receiver<Option<Answer>>>,
    /// When the last answer came, if it was a good one.
    well_at: Option<Instant>,
}

type Answer = Result<(), StoreError>;

impl Readiness {
    /// Asks, unless somebody is asking just now, and waits a while for the answer.
    pub(super) async fn ask(&self, question: impl Future<Output = Answer> + Send + 'static) -> Answer {
        let mut asked = self.join(question);
        match timeout(LONGEST_WAIT, asked.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(no_answer),
            // It ended in a panic.
            Ok(Err(_)) => no_answer(),
            Err(_) if self.state().well_at.is_some_and(|at| at.elapsed() < STANDS) => Ok(()),
            Err(_) => no_answer(),
        }
    }

    fn join(&self, question: impl Future<Output = Answer> + Send + 'static) -> watch::Receiver<Option<Answer>> {
        let mut state = self.state();
        if let Some(asked) = state.asked.as_ref().filter(|asked| !asked.is_closed()) {
            return asked.clone();
        }
        let (answer, asked) = watch::channel(None);
        state.asked = Some(asked.clone());
        let this = self.clone();
        tokio::spawn(async move {
            let heard = question.await;
            this.state().well_at = heard.is_ok().then(Instant::now);
            answer.send_replace(Some(heard));
        });
        asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_answer() -> Answer {
    Err(StoreError::unavailable(anyhow!("no answer in time")))
}

#[cfg(test)]
mod tests;
