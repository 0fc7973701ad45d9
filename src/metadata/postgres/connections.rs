//! Connections that are kept for the next operation.
//!
//! sqlx has a pool as well. It asks each connection that comes back whether it is well: one more round trip for every
//! operation, in a task without a limit of time that holds the connection's place. A network that falls silent at that
//! moment takes the place away until the kernel gives up, a quarter of an hour later.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::super::pool::Waits;
use super::session::Doubt;
use crate::store::PoolUse;

/// How long an operation waits while all connections are in use before it counts as failed, and is tried again.
const PLACE_TIMEOUT: Duration = Duration::from_secs(3);
/// A new connection takes seven round trips at most, with TLS and a password: on a network with half a second for each it
/// must still come about.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle, and is asked, answers within this time or is given up.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// For the last word to a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the last operations may take when all is to be closed.
const LAST_OPERATIONS: Duration = Duration::from_secs(5);
const LONGEST_IDLE: Duration = Duration::from_secs(10 * 60);
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);

/// The connections to one database; opened when they are needed.
pub(super) struct Connections {
    options: PgConnectOptions,
    set_up: &'static str,
    most: u32,
    /// One permit for each connection that may be in use.
    places: Arc<Semaphore>,
    /// The one that was used last is at the end.
    idle: Mutex<Vec<Idle>>,
    doubt: Doubt,
    waits: Waits,
}

struct Idle {
    connection: PgConnection,
    opened_at: Instant,
    idle_since: Instant,
}

/// A connection in use. Dropped, it is closed; see [`Lent::give_back`].
pub(super) struct Lent {
    /// Always there until the end.
    connection: Option<PgConnection>,
    opened_at: Instant,
    place: Option<OwnedSemaphorePermit>,
    home: Arc<Connections>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold a password.
        f.debug_struct("Connections").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Connections {
    /// At most `most` at once; each begins with `set_up`.
    pub(super) fn new(options: PgConnectOptions, set_up: &'static str, most: u32, doubt: Doubt) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)));
        Arc::new(Self { options, set_up, most, places, idle: Mutex::default(), doubt, waits: Waits::default() })
    }

    pub(super) async fn lend(self: &Arc<Self>) -> Result<Lent, sqlx::Error> {
        self.waits.during(self.take()).await
    }

    async fn take(self: &Arc<Self>) -> Result<Lent, sqlx::Error> {
        let place = within(PLACE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await?;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, opened_at) = match self.idle_and_well().await {
            Some(found) => found,
            None => (within(OPEN_TIMEOUT, self.open()).await??, Instant::now()),
        };
        Ok(Lent { connection: Some(connection), opened_at, place: Some(place), home: Arc::clone(self) })
    }

    async fn idle_and_well(&self) -> Option<(PgConnection, Instant)> {
        // Popped in a statement of its own: nobody waits with the lock in hand.
        let idle = self.idle().pop();
        let Idle { mut connection, opened_at, idle_since } = idle?;
        if self.doubt.covers(idle_since.elapsed())
            && !matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
        {
            // The others have been idle for longer.
            self.idle().clear();
            return None;
        }
        Some((connection, opened_at))
    }

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        // Without preparing it, which would be one more round trip.
        sqlx::raw_sql(self.set_up).execute(&mut connection).await?;
        Ok(connection)
    }

    pub(super) fn usage(&self) -> PoolUse {
        let free = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
        let idle = u32::try_from(self.idle().len()).unwrap_or(u32::MAX);
        self.waits.usage("all", idle, self.most.saturating_sub(free), self.most)
    }

    /// Closes all, once the operations under way have ended.
    pub(super) async fn close(&self) {
        let _ = timeout(LAST_OPERATIONS, self.places.acquire_many(self.most)).await;
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within<T>(longest: Duration, work: impl Future<Output = T>) -> Result<T, sqlx::Error> {
    timeout(longest, work).await.map_err(|_| sqlx::Error::PoolTimedOut)
}

impl Lent {
    /// Keeps the connection for others; it must not be in the middle of anything.
    pub(super) fn give_back(mut self) {
        let Some(connection) = self.connection.take_if(|_| self.opened_at.elapsed() < LONGEST_LIFE) else { return };
        let mut idle = self.home.idle();
        idle.retain(|idle| idle.idle_since.elapsed() < LONGEST_IDLE);
        idle.push(Idle { connection, opened_at: self.opened_at, idle_since: Instant::now() });
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(connection), place) = (self.connection.take(), self.place.take()) else { return };
        tokio::spawn(async move {
            let _ = timeout(CLOSE_TIMEOUT, connection.close()).await;
            drop(place);
        });
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("there until the end")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("there until the end")
    }
}
