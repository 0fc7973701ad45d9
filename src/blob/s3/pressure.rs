//! How many requests to the store may be under way: fewer at once when it cannot follow, one more for each good round.
//!
//! The rule of TCP: halve on trouble, add one for every full round that went well. A store that is left alone recovers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::Failure;

/// As many as there may be requests to this server by default.
pub(super) const MOST: usize = 512;
/// Below this nothing would be learned any more.
const FEWEST: usize = 4;
/// What fails within so short a time fails for one reason: it counts once.
const ONE_EVENT: Duration = Duration::from_secs(1);

/// The places for requests to one store.
#[derive(Debug)]
pub(super) struct Pressure {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Places that are taken and must not be given back when they become free.
    owed: usize,
    /// Requests that went well since the limit last changed.
    went_well: usize,
    shrunk_at: Option<Instant>,
}

/// The right to have one request under way; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pressure: Arc<Pressure>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pressure {
    pub(super) fn new() -> Arc<Self> {
        let state = State { limit: MOST, owed: 0, went_well: 0, shrunk_at: None };
        Arc::new(Self { places: Arc::new(Semaphore::new(MOST)), state: Mutex::new(state) })
    }

    /// Waits for a place, first come, first served.
    pub(super) async fn enter(self: &Arc<Self>, longest: Duration) -> Result<Place, Failure> {
        let waiting = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(longest, waiting).await {
            Ok(permit) => Ok(Place { pressure: Arc::clone(self), permit: permit.ok() }),
            // Not the store's word: it must not count against it a second time.
            Err(_) => Err(Failure::Away(anyhow::anyhow!("too many requests to the store are under way"))),
        }
    }

    /// Learns from how a request ended.
    pub(super) fn learn<T>(&self, outcome: &Result<T, Failure>) {
        match outcome {
            Err(Failure::Overloaded(_)) => self.shrink(),
            Err(Failure::Away(_)) => {}
            _ => self.grow(),
        }
    }

    fn shrink(&self) {
        let mut state = self.state();
        if state.shrunk_at.is_some_and(|at| at.elapsed() < ONE_EVENT) {
            return;
        }
        let limit = (state.limit / 2).max(FEWEST);
        let taken_away = state.limit - limit;
        state.owed += taken_away - self.places.forget_permits(taken_away);
        (state.limit, state.went_well, state.shrunk_at) = (limit, 0, Some(Instant::now()));
        tracing::warn!(requests = limit, "the store cannot follow: fewer requests at once");
    }

    fn grow(&self) {
        let mut state = self.state();
        state.went_well += 1;
        if state.went_well < state.limit || state.limit == MOST {
            return;
        }
        (state.limit, state.went_well) = (state.limit + 1, 0);
        if state.owed > 0 {
            state.owed -= 1;
        } else {
            self.places.add_permits(1);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.pressure.state();
        if state.owed > 0 {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests;
