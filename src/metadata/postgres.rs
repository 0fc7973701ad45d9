//! Postgres: for any number of servers at once.
//!
//! Each method is one transaction, READ COMMITTED, and right whatever other servers do meanwhile. All of them but
//! `count_download` and `refund_lease` may be done twice, so they are tried again while the database is away: see [`session`].

use std::sync::Arc;

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};
use sqlx::postgres::{PgConnectOptions, PgQueryResult};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, Postgres, Row as _};

use super::{
    ChunkRecord, Created, Expiry, MetadataStore, Migrated, NewTransfer, Recorded, SetOnce, StoredChunk, Transfer, sql,
};
use crate::entropy::Entropy;
use crate::store::{PoolUse, StoreError};

mod access;
mod connect;
mod connections;
mod lease;
mod lifecycle;
mod operator;
mod payload;
mod readiness;
mod record;
mod session;

use connections::Connections;
use readiness::Readiness;
use session::{Doubt, Retry, Session};

/// Whoever adds to a transfer holds its row first; a statement after this one sees what others committed before.
const LOCK_TRANSFER: &str = "SELECT 1 FROM transfers WHERE id = $1 FOR NO KEY UPDATE";

/// Several servers claim at once: each skips what another is just claiming, and what somebody is just changing. In a
/// list of its own, which is made once whatever the planner thinks: `LIMIT` holds.
const CLAIM_SWEEP: &str = concat!(
    "WITH unclaimed AS MATERIALIZED (",
    sql::select_unclaimed!(),
    " FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE transfers SET sweep_claimed_until = $4 FROM unclaimed WHERE transfers.id = unclaimed.id
    RETURNING transfers.id"
);

/// A million rows in one statement would run into its timeout, and hold up the vacuum.
const DELETE_SOME_CHUNKS: &str = "
    DELETE FROM chunks WHERE transfer_id = $1 AND chunk_index IN (
        SELECT chunk_index FROM chunks WHERE transfer_id = $1 ORDER BY chunk_index LIMIT 20000)";

const SELECT_IS_READ_ONLY: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";

/// A database that many servers share.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Arc<Connections>,
    retry: Retry,
    readiness: Readiness,
}

impl PostgresStore {
    /// Connects and brings the schema up to date. Waits a while for a database that is not up yet.
    ///
    /// # Errors
    /// When the database cannot be reached, refuses, or was written by a newer version. No error holds the URL.
    pub async fn open(url: &str, connections: u32, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let options = connect::options(url)?;
        connect::migrate(&options).await?;
        Ok(Self::with(options, connections, entropy))
    }

    /// Connects to a database that is there, and leaves its schema as it is. Gives up after a few seconds.
    ///
    /// # Errors
    /// When the database cannot be reached or does not have the schema of this program.
    pub async fn open_beside(url: &str, connections: u32, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let options = connect::options(url)?;
        connect::require_current(&options).await?;
        Ok(Self::with(options, connections, entropy))
    }

    fn with(options: PgConnectOptions, connections: u32, entropy: Arc<dyn Entropy>) -> Self {
        let doubt = Doubt::default();
        let connections = Connections::new(options, connect::SET_UP_CONNECTION, connections, doubt.clone());
        Self { connections, retry: Retry::new(entropy, doubt), readiness: Readiness::default() }
    }

    async fn session(&self) -> Result<Session, StoreError> {
        Session::begin(&self.connections).await
    }

    /// One statement that is a transaction by itself; how many rows it changed.
    async fn execute(&self, query: PgQuery<'_>) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let result: PgQueryResult = query.execute(&mut *session).await?;
        session.end();
        Ok(result.rows_affected())
    }

    async fn create_once(&self, new: &NewTransfer) -> Result<Created, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let inserted = sql::insert_transfer::<Postgres>(&new.transfer)?.execute(&mut *tx).await?;
        if inserted.rows_affected() == 0 {
            // Whoever was first has committed: this statement sees the row.
            let existing = select_transfer(&mut tx, new.transfer.id).await?;
            let existing = existing.ok_or_else(|| StoreError::internal(anyhow::anyhow!("a taken id has no row")))?;
            tx.commit().await?;
            session.end();
            return Ok(Created::Existing(Box::new(existing)));
        }
        if let Some(charge) = &new.charge
            && let Err(refusal) = sql::access::take(&mut *tx, new.transfer.id, charge, new.transfer.created_at).await?
        {
            tx.rollback().await?;
            session.end();
            return Ok(Created::Refused(refusal));
        }
        if let Some(sealed) = &new.sealed_metadata {
            let query = sqlx::query(sql::INSERT_SEALED_METADATA).bind(new.transfer.id.as_str()).bind(sealed);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        session.end();
        Ok(Created::New)
    }

    async fn transfer_once(&self, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        let mut session = self.session().await?;
        let transfer = select_transfer(&mut session, id).await?;
        session.end();
        Ok(transfer)
    }

    async fn sealed_metadata_once(&self, id: TransferId) -> Result<Option<Vec<u8>>, StoreError> {
        let mut session = self.session().await?;
        let sealed = select_sealed_metadata(&mut session, id).await?;
        session.end();
        Ok(sealed)
    }

    async fn set_sealed_metadata_once(&self, id: TransferId, sealed: &[u8]) -> Result<SetOnce, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        sqlx::query(LOCK_TRANSFER).bind(id.as_str()).execute(&mut *tx).await?;
        let query = sqlx::query(sql::INSERT_SEALED_METADATA).bind(id.as_str()).bind(sealed);
        let result = match query.execute(&mut *tx).await?.rows_affected() {
            1 => SetOnce::New,
            _ if select_sealed_metadata(&mut tx, id).await?.as_deref() == Some(sealed) => SetOnce::Same,
            _ => SetOnce::Conflict,
        };
        tx.commit().await?;
        session.end();
        Ok(result)
    }

    async fn record_once(&self, records: &[ChunkRecord]) -> Result<Vec<Recorded>, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let results = record::record(&mut tx, records).await?;
        tx.commit().await?;
        session.end();
        Ok(results)
    }

    async fn transfer_and_chunk_once(
        &self,
        id: TransferId,
        index: ChunkIndex,
    ) -> Result<Option<(Transfer, Option<StoredChunk>)>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(sql::SELECT_TRANSFER_AND_CHUNK).bind(id.as_str()).bind(i64::from(index.get()));
        let row = query.fetch_optional(&mut *session).await?;
        session.end();
        let Some(row) = row else { return Ok(None) };
        let blake3: Option<Vec<u8>> = row.try_get("blake3")?;
        let chunk = blake3.map(|blake3| sql::stored_chunk(&row, blake3)).transpose()?;
        Ok(Some((sql::transfer(&row)?, chunk)))
    }

    async fn missing_once(&self, id: TransferId, total: u32, limit: i64) -> Result<Vec<[u32; 2]>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(sql::SELECT_MISSING).bind(id.as_str()).bind(i64::from(total)).bind(limit);
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(sql::gap).collect()
    }

    async fn claim_sweep_once(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(CLAIM_SWEEP).bind(ended_before.as_millisecond()).bind(now.as_millisecond());
        let rows = query.bind(i64::from(most)).bind(until.as_millisecond()).fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(sql::id).collect()
    }
}

/// Asks over one connection whether the database takes writes.
async fn probe_once(connections: &Arc<Connections>) -> Result<(), StoreError> {
    let mut session = Session::begin(connections).await?;
    let is_read_only: bool = sqlx::query_scalar(SELECT_IS_READ_ONLY).fetch_one(&mut *session).await?;
    session.end();
    if is_read_only {
        return Err(StoreError::unavailable(anyhow::anyhow!("the database takes no writes")));
    }
    Ok(())
}

type PgQuery<'q> = Query<'q, Postgres, sqlx::postgres::PgArguments>;

#[async_trait]
impl MetadataStore for PostgresStore {
    async fn create(&self, new: &NewTransfer) -> Result<Created, StoreError> {
        self.retry.run(|| self.create_once(new)).await
    }

    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        self.retry.run(|| self.transfer_once(id)).await
    }

    async fn sealed_metadata(&self, id: TransferId) -> Result<Option<Vec<u8>>, StoreError> {
        self.retry.run(|| self.sealed_metadata_once(id)).await
    }

    async fn set_sealed_metadata(&self, id: TransferId, sealed: &[u8]) -> Result<SetOnce, StoreError> {
        self.retry.run(|| self.set_sealed_metadata_once(id, sealed)).await
    }

    async fn record(&self, records: &[ChunkRecord]) -> Result<Vec<Recorded>, StoreError> {
        self.retry.run(|| self.record_once(records)).await
    }

    async fn transfer_and_chunk(
        &self,
        id: TransferId,
        index: ChunkIndex,
    ) -> Result<Option<(Transfer, Option<StoredChunk>)>, StoreError> {
        self.retry.run(|| self.transfer_and_chunk_once(id, index)).await
    }

    async fn missing(&self, id: TransferId, total: u32, most: usize) -> Result<Vec<[u32; 2]>, StoreError> {
        let limit = i64::try_from(most).map_err(StoreError::internal)?;
        self.retry.run(|| self.missing_once(id, total, limit)).await
    }

    async fn complete(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.retry.run(|| self.complete_once(id, at, expiry, expires_at)).await
    }

    async fn set_expiry(&self, id: TransferId, expiry: Expiry, now: Timestamp) -> Result<bool, StoreError> {
        let (expires_in_ms, expires_at) = sql::expiry_columns(expiry);
        let query = || {
            let query = sqlx::query(sql::SET_EXPIRY).bind(id.as_str()).bind(expires_in_ms).bind(expires_at);
            self.execute(query.bind(now.as_millisecond()))
        };
        Ok(self.retry.run(query).await? == 1)
    }

    async fn delete(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError> {
        self.retry.run(|| self.delete_once(id, at)).await
    }

    async fn count_download(&self, id: TransferId) -> Result<(), StoreError> {
        // Not again: it might have been counted.
        self.retry.once(self.execute(sqlx::query(sql::COUNT_DOWNLOAD).bind(id.as_str()))).await?;
        Ok(())
    }

    async fn claim_sweep(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        // What a lost answer had claimed is free again at its end.
        self.retry.run(|| self.claim_sweep_once(ended_before, now, until, most)).await
    }

    async fn move_sweep_claim(&self, id: TransferId, until: Timestamp) -> Result<(), StoreError> {
        let query = || self.execute(sqlx::query(sql::MOVE_SWEEP_CLAIM).bind(id.as_str()).bind(until.as_millisecond()));
        self.retry.run(query).await.map(drop)
    }

    async fn swept(&self, id: TransferId) -> Result<u64, StoreError> {
        // What is deleted here belongs to a transfer that has ended and whose blobs are gone: nobody looks at it.
        let some = || self.execute(sqlx::query(DELETE_SOME_CHUNKS).bind(id.as_str()));
        while self.retry.run(some).await? > 0 {}
        self.retry.run(|| self.swept_once(id)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let (connections, retry) = (Arc::clone(&self.connections), self.retry.clone());
        let question = async move { retry.run_with(readiness::QUESTION, || probe_once(&connections)).await };
        self.readiness.ask(question).await
    }

    fn pools(&self) -> Vec<PoolUse> {
        vec![self.connections.usage()]
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}

/// Brings the schema up to date and says what that took.
///
/// # Errors
/// As [`PostgresStore::open`].
pub async fn migrate(url: &str) -> anyhow::Result<Migrated> {
    connect::migrate(&connect::options(url)?).await
}

/// Makes sure that the database answers now: for a command, before it begins.
///
/// # Errors
/// When it cannot be reached within a few seconds, or refuses.
pub async fn reach(url: &str) -> anyhow::Result<()> {
    connect::reach(&connect::options(url)?).await
}

async fn select_transfer(connection: &mut PgConnection, id: TransferId) -> Result<Option<Transfer>, StoreError> {
    let row = sqlx::query(sql::SELECT_TRANSFER).bind(id.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(sql::transfer).transpose()
}

async fn select_sealed_metadata(connection: &mut PgConnection, id: TransferId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query(sql::SELECT_SEALED_METADATA).bind(id.as_str()).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get("sealed")).transpose()?)
}

#[cfg(test)]
mod tests;
