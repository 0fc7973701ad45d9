//! A pool of connections that knows how long was waited for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::Database;
use sqlx::pool::PoolConnection;

use crate::store::PoolUse;

/// Connections to one database, for one purpose.
#[derive(Debug)]
pub(super) struct Pool<DB: Database> {
    name: &'static str,
    pool: sqlx::Pool<DB>,
    acquires: AtomicU64,
    waited_nanos: AtomicU64,
}

impl<DB: Database> Pool<DB> {
    pub(super) fn new(name: &'static str, pool: sqlx::Pool<DB>) -> Self {
        Self { name, pool, acquires: AtomicU64::new(0), waited_nanos: AtomicU64::new(0) }
    }

    pub(super) async fn acquire(&self) -> Result<PoolConnection<DB>, sqlx::Error> {
        let begun = Instant::now();
        let acquired = self.pool.acquire().await;
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.acquires.fetch_add(1, Ordering::Relaxed);
        acquired
    }

    pub(super) fn usage(&self) -> PoolUse {
        let (open, idle) = (self.pool.size(), u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX));
        PoolUse {
            name: self.name,
            idle,
            used: open.saturating_sub(idle),
            most: self.pool.options().get_max_connections(),
            acquires: self.acquires.load(Ordering::Relaxed),
            waited: Duration::from_nanos(self.waited_nanos.load(Ordering::Relaxed)),
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
