//! SQLite: the embedded default. One writer, many readers, write-ahead log, every commit synced.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, Sqlite};

use super::pool::Pool;
use super::{
    ChunkRecord, Created, Digest, Expiry, MetadataStore, NewTransfer, Recorded, SetOnce, Step, StoredChunk, Transfer,
    sql,
};
use crate::store::{PoolUse, StoreError};

mod access;
mod lease;
mod lifecycle;
mod operator;
mod payload;
mod schema;

pub use schema::{migrate_file, require_current};

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a statement waits for a lock that another process holds, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The writer is alone: nobody claims anything between the look and the note.
const CLAIM_SWEEP: &str =
    concat!("UPDATE transfers SET sweep_claimed_until = $4 WHERE id IN (", sql::select_unclaimed!(), ") RETURNING id");

/// At the start of the one process that sweeps: whoever claimed these is dead.
const FORGET_CLAIMS: &str = "
    UPDATE transfers SET sweep_claimed_until = NULL WHERE blobs_removed = 0 AND sweep_claimed_until IS NOT NULL";

/// One SQLite file, which this process alone writes.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Pool<Sqlite>,
    readers: Pool<Sqlite>,
}

impl SqliteStore {
    /// Opens the file, makes it if need be, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or was written by a newer version.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let store = Self::connect(path, true).await?;
        let mut writer = store.writer.acquire().await?;
        schema::migrate(&mut writer, path).await?;
        sqlx::query(FORGET_CLAIMS).execute(&mut *writer).await?;
        drop(writer);
        Ok(store)
    }

    /// Opens a file that is there, beside whatever process uses it, and leaves its schema as it is.
    ///
    /// # Errors
    /// When the file cannot be opened or does not have the schema of this program.
    pub async fn open_beside(path: &Path) -> anyhow::Result<Self> {
        require_current(path).await?;
        Self::connect(path, false).await
    }

    async fn connect(path: &Path, create: bool) -> anyhow::Result<Self> {
        // A connection to a file does not die while it is idle: asking it first would double the cost of small reads.
        let pool = |connections| {
            SqlitePoolOptions::new().max_connections(connections).min_connections(1).test_before_acquire(false)
        };
        let open = || cannot_open(path);
        let writer = pool(1).connect_with(options(path, create)).await.with_context(open)?;
        let readers = pool(READERS).connect_with(options(path, false).read_only(true)).await.with_context(open)?;
        Ok(Self { writer: Pool::new("writer", writer), readers: Pool::new("readers", readers) })
    }

    /// Begins a write at once: a transaction that began by reading could not be upgraded beside another.
    async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.begin_with(Durable::AtCommit).await
    }

    async fn begin_with(&self, durable: Durable) -> Result<WriteTransaction, StoreError> {
        // The guard comes first: a caller that goes away during BEGIN must not leave an open transaction in the pool.
        let mut tx = WriteTransaction { connection: self.writer.acquire().await?, durable, is_over: false };
        match durable {
            Durable::AtCommit => sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx).await?,
            // Never prepared for later: this pragma takes effect while it is compiled.
            Durable::WithTheNext => {
                sqlx::raw_sql("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").execute(&mut *tx).await?
            }
        };
        Ok(tx)
    }
}

fn options(path: &Path, create: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
}

async fn connect(path: &Path, create: bool) -> anyhow::Result<SqliteConnection> {
    SqliteConnection::connect_with(&options(path, create)).await.with_context(|| cannot_open(path))
}

fn cannot_open(path: &Path) -> String {
    format!("cannot open the database {}", path.display())
}

#[async_trait]
impl MetadataStore for SqliteStore {
    async fn create(&self, new: &NewTransfer) -> Result<Created, StoreError> {
        self.insert(new).await
    }

    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        select_transfer(&mut *self.readers.acquire().await?, id).await
    }

    async fn sealed_metadata(&self, id: TransferId) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query(sql::SELECT_SEALED_METADATA)
            .bind(id.as_str())
            .fetch_optional(&mut *self.readers.acquire().await?)
            .await?;
        Ok(row.map(|row| row.try_get("sealed")).transpose()?)
    }

    async fn set_sealed_metadata(&self, id: TransferId, sealed: &[u8]) -> Result<SetOnce, StoreError> {
        let mut tx = self.begin().await?;
        let inserted =
            sqlx::query(sql::INSERT_SEALED_METADATA).bind(id.as_str()).bind(sealed).execute(&mut *tx).await?;
        if inserted.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(SetOnce::New);
        }
        let row = sqlx::query(sql::SELECT_SEALED_METADATA).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        let set: Option<Vec<u8>> = row.map(|row| row.try_get("sealed")).transpose()?;
        tx.commit().await?;
        Ok(if set.as_deref() == Some(sealed) { SetOnce::Same } else { SetOnce::Conflict })
    }

    async fn record(&self, records: &[ChunkRecord]) -> Result<Vec<Recorded>, StoreError> {
        let mut tx = self.begin_with(durable(records)).await?;
        let mut stored: HashMap<TransferId, (i64, i64, i64)> = HashMap::new();
        let mut results = Vec::with_capacity(records.len());
        for record in records {
            let result = record_one(&mut tx, record).await?;
            if record.step == Step::Store && result == Recorded::New {
                let (chunks, bytes, until) = stored.entry(record.transfer_id).or_default();
                *chunks += 1;
                *bytes += i64::try_from(record.len).map_err(StoreError::internal)?;
                *until = (*until).max(record.upload_expires_at.as_millisecond());
            }
            results.push(result);
        }
        for (id, (chunks, bytes, until)) in stored {
            let counted = sqlx::query(sql::COUNT_STORED).bind(id.as_str()).bind(chunks).bind(bytes).bind(until);
            counted.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(results)
    }

    async fn transfer_and_chunk(
        &self,
        id: TransferId,
        index: ChunkIndex,
    ) -> Result<Option<(Transfer, Option<StoredChunk>)>, StoreError> {
        let query = sqlx::query(sql::SELECT_TRANSFER_AND_CHUNK).bind(id.as_str()).bind(i64::from(index.get()));
        let Some(row) = query.fetch_optional(&mut *self.readers.acquire().await?).await? else { return Ok(None) };
        let blake3: Option<Vec<u8>> = row.try_get("blake3")?;
        let chunk = blake3.map(|blake3| sql::stored_chunk(&row, blake3)).transpose()?;
        Ok(Some((sql::transfer(&row)?, chunk)))
    }

    async fn missing(&self, id: TransferId, total: u32, most: usize) -> Result<Vec<[u32; 2]>, StoreError> {
        let limit = i64::try_from(most).map_err(StoreError::internal)?;
        let query = sqlx::query(sql::SELECT_MISSING).bind(id.as_str()).bind(i64::from(total)).bind(limit);
        let rows = query.fetch_all(&mut *self.readers.acquire().await?).await?;
        rows.iter().map(sql::gap).collect()
    }

    async fn complete(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.freeze(id, at, expiry, expires_at).await
    }

    async fn set_expiry(&self, id: TransferId, expiry: Expiry, now: Timestamp) -> Result<bool, StoreError> {
        let (expires_in_ms, expires_at) = sql::expiry_columns(expiry);
        let query = sqlx::query(sql::SET_EXPIRY).bind(id.as_str()).bind(expires_in_ms).bind(expires_at);
        let query = query.bind(now.as_millisecond());
        Ok(query.execute(&mut *self.writer.acquire().await?).await?.rows_affected() == 1)
    }

    async fn delete(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError> {
        self.bury(id, at).await
    }

    async fn count_download(&self, id: TransferId) -> Result<(), StoreError> {
        sqlx::query(sql::COUNT_DOWNLOAD).bind(id.as_str()).execute(&mut *self.writer.acquire().await?).await?;
        Ok(())
    }

    async fn claim_sweep(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        let mut tx = self.begin().await?;
        let query = sqlx::query(CLAIM_SWEEP).bind(ended_before.as_millisecond()).bind(now.as_millisecond());
        let rows = query.bind(i64::from(most)).bind(until.as_millisecond()).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        rows.iter().map(sql::id).collect()
    }

    async fn move_sweep_claim(&self, id: TransferId, until: Timestamp) -> Result<(), StoreError> {
        let query = sqlx::query(sql::MOVE_SWEEP_CLAIM).bind(id.as_str()).bind(until.as_millisecond());
        query.execute(&mut *self.writer.acquire().await?).await?;
        Ok(())
    }

    async fn swept(&self, id: TransferId) -> Result<u64, StoreError> {
        self.forget(id).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&mut *self.readers.acquire().await?).await?;
        // The writer, too: an empty transaction writes and syncs nothing.
        self.begin().await?.commit().await
    }

    fn pools(&self) -> Vec<PoolUse> {
        vec![self.writer.usage(), self.readers.usage()]
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// When a commit survives a power cut. A killed process loses neither: the kernel has what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    /// When it returns.
    AtCommit,
    /// With the next commit that is durable when it returns: the log is written, and recovered, in order.
    WithTheNext,
}

/// Reservations alone need no sync of their own: they are a lock between writers of this process, which alone writes
/// the database, and a power cut ends them all. What a reservation leads to, the row of a stored chunk, is synced.
fn durable(records: &[ChunkRecord]) -> Durable {
    match records.iter().all(|record| record.step == Step::Reserve) {
        true => Durable::WithTheNext,
        false => Durable::AtCommit,
    }
}

/// A transaction of the one writer. Whatever ends it otherwise than on purpose also ends its connection.
///
/// On a full disk SQLite rolls back by itself, and sqlx's own transaction would then wait for a rollback that cannot
/// happen and refuse every later one. A fresh connection costs less than knowing in which state the old one is.
struct WriteTransaction {
    connection: PoolConnection<Sqlite>,
    durable: Durable,
    is_over: bool,
}

impl WriteTransaction {
    async fn commit(mut self) -> Result<(), StoreError> {
        match self.durable {
            Durable::AtCommit => sqlx::query("COMMIT").execute(&mut *self.connection).await?,
            Durable::WithTheNext => {
                sqlx::raw_sql("COMMIT; PRAGMA synchronous = FULL").execute(&mut *self.connection).await?
            }
        };
        self.is_over = true;
        Ok(())
    }

    /// Undoes what was refused, of which everything is known: the connection is good for the next.
    async fn undo(mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK").execute(&mut *self.connection).await?;
        self.is_over = true;
        Ok(())
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}

async fn select_transfer(connection: &mut SqliteConnection, id: TransferId) -> Result<Option<Transfer>, StoreError> {
    let row = sqlx::query(sql::SELECT_TRANSFER).bind(id.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(sql::transfer).transpose()
}

async fn record_one(connection: &mut SqliteConnection, record: &ChunkRecord) -> Result<Recorded, StoreError> {
    let statement = match record.step {
        Step::Reserve => sql::RESERVE_CHUNK,
        Step::Store => sql::STORE_CHUNK,
    };
    // What mostly happens is one statement; only what did not happen is asked about.
    if step(connection, statement, record).await? {
        return Ok(Recorded::New);
    }
    let open = sqlx::query(sql::SELECT_OPEN).bind(record.transfer_id.as_str()).bind(record.now.as_millisecond());
    if open.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(Recorded::Closed);
    }
    match select_chunk(connection, record.transfer_id, record.index).await? {
        // Swept between the two steps, or a completed transfer without this chunk, which cannot be.
        None => Ok(Recorded::Closed),
        Some((chunk, _)) if chunk.blake3 != record.blake3 => Ok(Recorded::Conflict),
        Some((_, true)) => Ok(Recorded::Stored),
        Some((_, false)) if record.step == Step::Reserve => Ok(Recorded::Same),
        Some((_, false)) => Err(StoreError::internal(anyhow::anyhow!("a reserved chunk could not be stored"))),
    }
}

/// Whether the step was taken.
async fn step(
    connection: &mut SqliteConnection,
    statement: &'static str,
    record: &ChunkRecord,
) -> Result<bool, StoreError> {
    let query = sqlx::query(statement)
        .bind(record.transfer_id.as_str())
        .bind(i64::from(record.index.get()))
        .bind(record.blake3.as_slice())
        .bind(record.sha256.as_ref().map(Digest::as_slice))
        .bind(record.now.as_millisecond());
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

async fn select_chunk(
    connection: &mut SqliteConnection,
    id: TransferId,
    index: ChunkIndex,
) -> Result<Option<(StoredChunk, bool)>, StoreError> {
    let query = sqlx::query(sql::SELECT_CHUNK).bind(id.as_str()).bind(i64::from(index.get()));
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let chunk = sql::stored_chunk(&row, row.try_get("blake3")?)?;
    Ok(Some((chunk, row.try_get::<i64, _>("stored")? == 1)))
}

#[cfg(test)]
mod tests;
