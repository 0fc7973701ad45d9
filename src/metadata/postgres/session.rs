//! One connection for one operation, and another try of the operation when the database was away.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};

use super::connections::{Connections, Lent};
use crate::entropy::Entropy;
use crate::store::StoreError;

/// For operations. A restart of the database takes less than they are tried for, and clients wait for longer; a single
/// try may take longer than the database's own timeouts.
const OPERATION: Patience = Patience { retry_for: Duration::from_secs(10), longest_try: Duration::from_secs(20) };
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that was idle for so long is asked before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);

/// A connection that is kept for others only after [`Session::end`].
///
/// Whatever ends it sooner (an error, a timeout, a caller that went away) may have left it in the middle of something,
/// so it is closed: a fresh one costs less than knowing.
pub(super) struct Session(Lent);

impl Session {
    pub(super) async fn begin(connections: &Arc<Connections>) -> Result<Self, StoreError> {
        Ok(Self(connections.lend().await?))
    }

    pub(super) fn end(self) {
        self.0.give_back();
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Tries an operation again while the database is away, for a while.
///
/// Only for what may be done twice: when the connection breaks during a commit, nobody knows whether it happened.
#[derive(Clone, Debug)]
pub(super) struct Retry {
    entropy: Arc<dyn Entropy>,
    doubt: Doubt,
}

/// How long is waited for a database that is away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// No try begins later than this.
    pub(super) retry_for: Duration,
    /// For what the database cannot cut short itself: a network that swallows everything.
    pub(super) longest_try: Duration,
}

impl Retry {
    pub(super) fn new(entropy: Arc<dyn Entropy>, doubt: Doubt) -> Self {
        Self { entropy, doubt }
    }

    /// Runs `attempt` until it succeeds, fails for good, or the time is over; the last failure is the answer then.
    pub(super) async fn run<T, F, Fut>(&self, attempt: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut + Send,
        Fut: Future<Output = Result<T, StoreError>> + Send,
    {
        self.run_with(OPERATION, attempt).await
    }

    /// [`Retry::run`] with another patience.
    pub(super) async fn run_with<T, F, Fut>(&self, patience: Patience, attempt: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut + Send,
        Fut: Future<Output = Result<T, StoreError>> + Send,
    {
        let give_up = Instant::now() + patience.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.one_try(patience.longest_try, attempt()).await {
                Err(error @ StoreError::Unavailable(_)) => error,
                settled => return settled,
            };
            let pause_now = self.jittered(pause);
            if Instant::now() + pause_now >= give_up {
                return Err(error);
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "the database is away; trying again");
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs `attempt` a single time, for as long as a try may take.
    pub(super) async fn once<T>(
        &self,
        attempt: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.one_try(OPERATION.longest_try, attempt).await
    }

    async fn one_try<T>(
        &self,
        longest: Duration,
        attempt: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let result = timeout(longest, attempt).await;
        let result = result.unwrap_or_else(|_| Err(StoreError::unavailable(anyhow::anyhow!("no answer in time"))));
        if matches!(result, Err(StoreError::Unavailable(_))) {
            self.doubt.begin();
        }
        result
    }

    /// Half of the pause up to all of it: what failed at the same moment does not come back at the same moment.
    fn jittered(&self, pause: Duration) -> Duration {
        let part = f64::from(self.entropy.bytes()[0]) / 255.0;
        pause.mul_f64(0.5 + part / 2.0)
    }
}

/// When an operation last failed: connections that were not used since then may all be dead.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    since: Arc<Mutex<Option<Instant>>>,
}

impl Doubt {
    fn begin(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection that was idle for so long must be asked before it is used.
    pub(super) fn covers(&self, idle_for: Duration) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        idle_for > TRUSTED_IDLE || since.is_some_and(|since| idle_for >= since.elapsed())
    }
}
