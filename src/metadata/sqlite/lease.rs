//! Leases in SQLite: the writer is alone, so that a transaction's steps are never mixed with another's.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, select_transfer, sql};
use crate::metadata::lease::{
    Charged, Committed, Ended, Lapsed, Lease, LeaseKey, LeaseStore, LeaseTimes, Taken, furthest_end, next_end, settle,
};
use crate::metadata::sql::lease as statement;
use crate::store::StoreError;

statement::steps!(SqliteConnection);

/// Nothing to wait for.
async fn lock(_: &mut SqliteConnection, _: TransferId) -> Result<(), StoreError> {
    Ok(())
}

/// One transaction around some steps.
macro_rules! transaction {
    ($store:expr, |$tx:ident| $steps:expr) => {{
        let mut $tx = $store.begin().await?;
        let done = $steps.await?;
        $tx.commit().await?;
        Ok(done)
    }};
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn take_lease(
        &self,
        key: &LeaseKey,
        payload_bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Taken, StoreError> {
        transaction!(self, |tx| take(&mut tx, key, payload_bytes, now, times))
    }

    async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
        select_lease(&mut *self.readers.acquire().await?, key).await
    }

    async fn charge_lease(
        &self,
        key: &LeaseKey,
        bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Charged, StoreError> {
        transaction!(self, |tx| charge(&mut tx, key, bytes, now, times))
    }

    async fn refund_lease(&self, key: &LeaseKey, bytes: u64) -> Result<(), StoreError> {
        transaction!(self, |tx| refund(&mut tx, key, bytes))
    }

    async fn commit_lease(&self, key: &LeaseKey, now: Timestamp, times: LeaseTimes) -> Result<Committed, StoreError> {
        transaction!(self, |tx| commit(&mut tx, key, now, times))
    }

    async fn end_lease(&self, key: &LeaseKey, keep_spent: bool) -> Result<Ended, StoreError> {
        transaction!(self, |tx| end(&mut tx, key, keep_spent))
    }

    async fn release_place(&self, key: &LeaseKey) -> Result<Ended, StoreError> {
        transaction!(self, |tx| release(&mut tx, key))
    }

    async fn with_lapsed_leases(
        &self,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        let query = sqlx::query(statement::SELECT_WITH_LAPSED).bind(now.as_millisecond());
        let query = query.bind(furthest_end(now, times).as_millisecond()).bind(i64::from(most));
        query.fetch_all(&mut *self.readers.acquire().await?).await?.iter().map(sql::id).collect()
    }

    async fn end_lapsed_leases(
        &self,
        id: TransferId,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Lapsed, StoreError> {
        transaction!(self, |tx| end_lapsed(&mut tx, id, now, times, most))
    }

    async fn set_max_downloads(&self, id: TransferId, max_downloads: u64) -> Result<bool, StoreError> {
        transaction!(self, |tx| set_limit(&mut tx, id, max_downloads))
    }
}
