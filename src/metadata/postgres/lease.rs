//! Leases in Postgres: every transaction holds the transfer's row first, so that their steps are never mixed.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::{Connection as _, PgConnection};

use super::{LOCK_TRANSFER, PostgresStore, select_transfer, sql};
use crate::metadata::lease::{
    Charged, Committed, Ended, Lapsed, Lease, LeaseKey, LeaseStore, LeaseTimes, Taken, furthest_end, next_end, settle,
};
use crate::metadata::sql::lease as statement;
use crate::store::StoreError;

statement::steps!(PgConnection);

async fn lock(connection: &mut PgConnection, id: TransferId) -> Result<(), StoreError> {
    sqlx::query(LOCK_TRANSFER).bind(id.as_str()).execute(connection).await?;
    Ok(())
}

/// One transaction around some steps, again while the database is away.
macro_rules! transaction {
    ($store:expr, |$tx:ident| $steps:expr) => {
        $store
            .retry
            .run(|| async {
                let mut session = $store.session().await?;
                let mut $tx = session.begin().await?;
                let done = $steps.await?;
                $tx.commit().await?;
                session.end();
                Ok(done)
            })
            .await
    };
}

impl PostgresStore {
    async fn lease_once(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
        let mut session = self.session().await?;
        let lease = select_lease(&mut session, key).await?;
        session.end();
        Ok(lease)
    }

    async fn refund_once(&self, key: &LeaseKey, bytes: u64) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        refund(&mut tx, key, bytes).await?;
        tx.commit().await?;
        session.end();
        Ok(())
    }

    async fn with_lapsed_once(&self, now: i64, furthest: i64, most: u32) -> Result<Vec<TransferId>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(statement::SELECT_WITH_LAPSED).bind(now).bind(furthest).bind(i64::from(most));
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(sql::id).collect()
    }
}

#[async_trait]
impl LeaseStore for PostgresStore {
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
        self.retry.run(|| self.lease_once(key)).await
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
        // Not again: it might have been done.
        self.retry.once(self.refund_once(key, bytes)).await
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
        let (now, furthest) = (now.as_millisecond(), furthest_end(now, times).as_millisecond());
        self.retry.run(|| self.with_lapsed_once(now, furthest, most)).await
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
