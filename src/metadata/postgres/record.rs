//! The next steps of many chunks in one commit, right beside other servers that do the same.
//!
//! Whoever writes chunks of a transfer holds the lock of its row until the commit. So what was read under the lock
//! stays true, the rules can be plain code, and since all take the locks in the order of ids, none waits in a circle.
//! Servers that share one upload take turns with it; each turn carries whatever has arrived meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use haulier_wire::{Timestamp, TransferId};
use sqlx::{PgConnection, Row as _};

use super::super::{ChunkRecord, Digest, Recorded, Step, StoredState, sql};
use crate::store::StoreError;

/// A later statement sees what was committed while this one waited: READ COMMITTED.
const LOCK_TRANSFERS: &str = "
    SELECT id, state, upload_expires_at, expires_at, blobs_removed = 1 AS is_swept
    FROM transfers WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

const SELECT_CHUNKS: &str = "
    SELECT transfer_id, chunk_index, blake3, sha256, stored = 1 AS is_stored
    FROM chunks JOIN UNNEST($1::text[], $2::bigint[]) AS wanted (id, index)
        ON transfer_id = wanted.id AND chunk_index = wanted.index";

/// Three kinds of rows that do not depend on each other, in one round trip.
const WRITE_CHANGES: &str = "
    WITH reserved AS (
        INSERT INTO chunks (transfer_id, chunk_index, blake3, sha256, stored)
        SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::smallint[])
    ), stored AS (
        UPDATE chunks SET stored = 1, sha256 = change.sha256
        FROM UNNEST($6::text[], $7::bigint[], $8::bytea[]) AS change (id, index, sha256)
        WHERE transfer_id = change.id AND chunk_index = change.index
    )
    UPDATE transfers SET stored_chunks = stored_chunks + change.chunks, stored_bytes = stored_bytes + change.bytes,
        upload_expires_at = GREATEST(upload_expires_at, change.until)
    FROM UNNEST($9::text[], $10::bigint[], $11::bigint[], $12::bigint[]) AS change (id, chunks, bytes, until)
    WHERE transfers.id = change.id";

/// Takes the steps within a transaction, which the caller commits; answers each, in order.
pub(super) async fn record(
    connection: &mut PgConnection,
    records: &[ChunkRecord],
) -> Result<Vec<Recorded>, StoreError> {
    let mut batch = Batch::default();
    batch.lock_transfers(connection, records).await?;
    batch.read_chunks(connection, records).await?;
    let results = records.iter().map(|record| batch.take_step(record)).collect::<Result<_, _>>()?;
    batch.write(connection).await?;
    Ok(results)
}

/// What a batch found and what it changes.
#[derive(Debug, Default)]
struct Batch {
    transfers: BTreeMap<TransferId, LockedTransfer>,
    chunks: BTreeMap<(TransferId, u32), Chunk>,
}

#[derive(Debug)]
struct LockedTransfer {
    state: StoredState,
    upload_expires_at: i64,
    expires_at: Option<i64>,
    is_swept: bool,
    /// Chunks, their sealed bytes, and the latest end of the upload, that this batch adds.
    stored: Option<(i64, i64, i64)>,
}

impl LockedTransfer {
    /// As `sql::SELECT_OPEN` has it.
    fn is_open(&self, now: Timestamp) -> bool {
        let now = now.as_millisecond();
        match self.state {
            _ if self.is_swept => false,
            StoredState::Pending => self.upload_expires_at > now && self.expires_at.is_none_or(|at| at > now),
            StoredState::Completed => self.expires_at.is_some_and(|at| at > now),
            StoredState::Exhausted | StoredState::Deleted => false,
        }
    }
}

#[derive(Debug)]
struct Chunk {
    blake3: Digest,
    sha256: Option<Digest>,
    is_stored: bool,
    change: Option<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Insert,
    Update,
}

impl Batch {
    async fn lock_transfers(
        &mut self,
        connection: &mut PgConnection,
        records: &[ChunkRecord],
    ) -> Result<(), StoreError> {
        let ids: BTreeSet<&str> = records.iter().map(|record| record.transfer_id.as_str()).collect();
        let query = sqlx::query(LOCK_TRANSFERS).bind(ids.into_iter().collect::<Vec<_>>());
        for row in query.fetch_all(connection).await? {
            let id = row.try_get::<String, _>("id")?.parse().map_err(StoreError::internal)?;
            let state = sql::state_from_text(row.try_get("state")?).map_err(StoreError::internal)?;
            let (upload_expires_at, expires_at) = (row.try_get("upload_expires_at")?, row.try_get("expires_at")?);
            let is_swept = row.try_get("is_swept")?;
            self.transfers.insert(id, LockedTransfer { state, upload_expires_at, expires_at, is_swept, stored: None });
        }
        Ok(())
    }

    async fn read_chunks(&mut self, connection: &mut PgConnection, records: &[ChunkRecord]) -> Result<(), StoreError> {
        let keys: BTreeSet<_> = records.iter().map(|record| (record.transfer_id, record.index.get())).collect();
        let (ids, indices) = columns(keys.iter());
        for row in sqlx::query(SELECT_CHUNKS).bind(ids).bind(indices).fetch_all(connection).await? {
            let id = row.try_get::<String, _>("transfer_id")?.parse().map_err(StoreError::internal)?;
            let index = u32::try_from(row.try_get::<i64, _>("chunk_index")?).map_err(StoreError::internal)?;
            let chunk = sql::stored_chunk(&row, row.try_get("blake3")?)?;
            let is_stored = row.try_get("is_stored")?;
            let chunk = Chunk { blake3: chunk.blake3, sha256: chunk.sha256, is_stored, change: None };
            self.chunks.insert((id, index), chunk);
        }
        Ok(())
    }

    /// The rules of `MetadataStore::record`, on what was read under the lock and what this batch has changed so far.
    fn take_step(&mut self, record: &ChunkRecord) -> Result<Recorded, StoreError> {
        let Some(transfer) = self.transfers.get_mut(&record.transfer_id) else { return Ok(Recorded::Closed) };
        if !transfer.is_open(record.now) {
            return Ok(Recorded::Closed);
        }
        let key = (record.transfer_id, record.index.get());
        let Some(chunk) = self.chunks.get_mut(&key) else {
            // What was never reserved cannot be stored, and only a pending transfer takes what it does not have.
            if record.step == Step::Store || transfer.state != StoredState::Pending {
                return Ok(Recorded::Closed);
            }
            let (blake3, sha256) = (record.blake3, record.sha256);
            self.chunks.insert(key, Chunk { blake3, sha256, is_stored: false, change: Some(Change::Insert) });
            return Ok(Recorded::New);
        };
        if chunk.blake3 != record.blake3 {
            return Ok(Recorded::Conflict);
        }
        if chunk.is_stored {
            return Ok(Recorded::Stored);
        }
        if record.step == Step::Reserve {
            return Ok(Recorded::Same);
        }
        chunk.is_stored = true;
        chunk.sha256 = chunk.sha256.or(record.sha256);
        chunk.change.get_or_insert(Change::Update);
        let (chunks, bytes, until) = transfer.stored.unwrap_or((0, 0, i64::MIN));
        let len = i64::try_from(record.len).map_err(StoreError::internal)?;
        transfer.stored = Some((chunks + 1, bytes + len, until.max(record.upload_expires_at.as_millisecond())));
        Ok(Recorded::New)
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let changed = |change| self.chunks.iter().filter(move |(_, chunk)| chunk.change == Some(change));
        let counted: Vec<_> =
            self.transfers.iter().filter_map(|(id, transfer)| Some((id.as_str(), transfer.stored?))).collect();
        let new: Vec<&Chunk> = changed(Change::Insert).map(|(_, chunk)| chunk).collect();
        let stored: Vec<&Chunk> = changed(Change::Update).map(|(_, chunk)| chunk).collect();
        if new.is_empty() && stored.is_empty() {
            return Ok(());
        }
        let sha256 = |chunks: &[&Chunk]| chunks.iter().map(|chunk| chunk.sha256.map(Vec::from)).collect::<Vec<_>>();
        let (new_ids, new_indices) = columns(changed(Change::Insert).map(|(key, _)| key));
        let (stored_ids, stored_indices) = columns(changed(Change::Update).map(|(key, _)| key));
        sqlx::query(WRITE_CHANGES)
            .bind(new_ids)
            .bind(new_indices)
            .bind(new.iter().map(|chunk| chunk.blake3.as_slice()).collect::<Vec<_>>())
            .bind(sha256(&new))
            .bind(new.iter().map(|chunk| i16::from(chunk.is_stored)).collect::<Vec<_>>())
            .bind(stored_ids)
            .bind(stored_indices)
            .bind(sha256(&stored))
            .bind(counted.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, (chunks, _, _))| *chunks).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, (_, bytes, _))| *bytes).collect::<Vec<_>>())
            .bind(counted.iter().map(|(_, (_, _, until))| *until).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The keys of chunks as the two arrays that make them up.
fn columns<'a>(keys: impl Iterator<Item = &'a (TransferId, u32)>) -> (Vec<&'a str>, Vec<i64>) {
    keys.map(|(id, index)| (id.as_str(), i64::from(*index))).unzip()
}
