//! What the operator's commands ask of SQLite.

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};
use sqlx::Sqlite;

use super::{SqliteStore, sql};
use crate::metadata::sql::operator as statement;
use crate::metadata::{Digest, OperatorStore, Restored, StoredChunk, Total, Transfer};
use crate::store::StoreError;

#[async_trait]
impl OperatorStore for SqliteStore {
    async fn transfers(&self, after: Option<TransferId>, most: u32) -> Result<Vec<Transfer>, StoreError> {
        let query = sqlx::query(statement::SELECT_TRANSFERS);
        let query = query.bind(after.as_ref().map_or("", TransferId::as_str)).bind(i64::from(most));
        query.fetch_all(&mut *self.readers.acquire().await?).await?.iter().map(sql::transfer).collect()
    }

    async fn stored_chunks(
        &self,
        id: TransferId,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ChunkIndex, StoredChunk)>, StoreError> {
        let query = sqlx::query(statement::SELECT_STORED_CHUNKS);
        let rows = query
            .bind(id.as_str())
            .bind(i64::from(from))
            .bind(i64::from(most))
            .fetch_all(&mut *self.readers.acquire().await?)
            .await?;
        rows.iter().map(statement::stored_chunk).collect()
    }

    async fn unswept(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        after: Option<TransferId>,
        most: u32,
    ) -> Result<Vec<Transfer>, StoreError> {
        let query = sqlx::query(statement::SELECT_UNSWEPT).bind(ended_before.as_millisecond());
        let query = query.bind(after.as_ref().map_or("", TransferId::as_str)).bind(i64::from(most));
        let query = query.bind(now.as_millisecond());
        query.fetch_all(&mut *self.readers.acquire().await?).await?.iter().map(sql::transfer).collect()
    }

    async fn unswept_total(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        let query = sqlx::query(statement::SELECT_UNSWEPT_TOTAL).bind(now.as_millisecond());
        statement::unswept_total(&query.fetch_one(&mut *self.readers.acquire().await?).await?)
    }

    async fn totals(&self, now: Timestamp) -> Result<Vec<Total>, StoreError> {
        let query = sqlx::query(statement::SELECT_TOTALS).bind(now.as_millisecond());
        query.fetch_all(&mut *self.readers.acquire().await?).await?.iter().map(statement::total).collect()
    }

    async fn unstore(&self, id: TransferId, index: ChunkIndex, blake3: Digest, len: u64) -> Result<bool, StoreError> {
        let len = i64::try_from(len).map_err(StoreError::internal)?;
        let mut tx = self.begin().await?;
        let chunk = sqlx::query(statement::UNSTORE_CHUNK).bind(id.as_str()).bind(i64::from(index.get()));
        let chunk = chunk.bind(blake3.as_slice()).execute(&mut *tx).await?;
        let counted = sqlx::query(statement::COUNT_UNSTORED).bind(id.as_str()).bind(len).execute(&mut *tx).await?;
        if (chunk.rows_affected(), counted.rows_affected()) != (1, 1) {
            // Dropped without a commit, both are undone.
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn restore(&self, restored: &Restored) -> Result<bool, StoreError> {
        let transfer = &restored.transfer;
        let mut tx = self.begin().await?;
        if sql::insert_transfer::<Sqlite>(transfer)?.execute(&mut *tx).await?.rows_affected() == 0 {
            tx.commit().await?;
            return Ok(false);
        }
        if let Some(sealed) = &restored.sealed_metadata {
            let query = sqlx::query(sql::INSERT_SEALED_METADATA).bind(transfer.id.as_str());
            query.bind(sealed).execute(&mut *tx).await?;
        }
        for (number, digests) in restored.chunks.chunks(statement::MAX_RESTORE_BATCH).enumerate() {
            let (first, count) = statement::place(number, digests)?;
            let query = sqlx::query(statement::RESTORE_CHUNKS).bind(transfer.id.as_str()).bind(first).bind(count);
            query.bind(statement::joined(digests)).execute(&mut *tx).await?;
        }
        statement::restore_completed::<Sqlite>(transfer)?.execute(&mut *tx).await?;
        sql::access::count_restored(&mut *tx, transfer.id, transfer.shape.body_bytes()).await?;
        tx.commit().await?;
        Ok(true)
    }
}
