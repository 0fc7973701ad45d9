//! Pools of connections that know how long was waited for them.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Database;
use sqlx::pool::PoolConnection;

use crate::store::PoolUse;

/// How often a connection was asked for, and how long all who asked have waited.
#[derive(Debug, Default)]
pub(super) struct Waits {
    acquires: AtomicU64,
    waited_nanos: AtomicU64,
}

impl Waits {
    /// Counts a wait.
    pub(super) async fn during<T>(&self, acquiring: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let acquired = acquiring.await;
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.acquires.fetch_add(1, Ordering::Relaxed);
        acquired
    }

    pub(super) fn usage(&self, name: &'static str, idle: u32, used: u32, most: u32) -> PoolUse {
        let acquires = self.acquires.load(Ordering::Relaxed);
        let waited = Duration::from_nanos(self.waited_nanos.load(Ordering::Relaxed));
        PoolUse { name, idle, used, most, acquires, waited }
    }
}

/// Connections to one database, for one purpose.
#[derive(Debug)]
pub(super) struct Pool<DB: Database> {
    name: &'static str,
    pool: sqlx::Pool<DB>,
    waits: Waits,
}

impl<DB: Database> Pool<DB> {
    pub(super) fn new(name: &'static str, pool: sqlx::Pool<DB>) -> Self {
        Self { name, pool, waits: Waits::default() }
    }

    pub(super) async fn acquire(&self) -> Result<PoolConnection<DB>, sqlx::Error> {
        self.waits.during(self.pool.acquire()).await
    }

    pub(super) fn usage(&self) -> PoolUse {
        let (open, idle) = (self.pool.size(), u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX));
        self.waits.usage(self.name, idle, open.saturating_sub(idle), self.pool.options().get_max_connections())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
