//! What the operator's commands ask of Postgres.

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};
use sqlx::{Connection as _, Postgres};

use super::{PostgresStore, sql};
use crate::metadata::sql::operator as statement;
use crate::metadata::{Digest, OperatorStore, Restored, StoredChunk, Total, Transfer};
use crate::store::StoreError;

impl PostgresStore {
    async fn transfers_once(&self, after: &str, most: u32) -> Result<Vec<Transfer>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(statement::SELECT_TRANSFERS).bind(after).bind(i64::from(most));
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(sql::transfer).collect()
    }

    async fn stored_chunks_once(
        &self,
        id: TransferId,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ChunkIndex, StoredChunk)>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(statement::SELECT_STORED_CHUNKS);
        let query = query.bind(id.as_str()).bind(i64::from(from)).bind(i64::from(most));
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(statement::stored_chunk).collect()
    }

    async fn unswept_once(
        &self,
        ended_before: i64,
        now: i64,
        after: &str,
        most: u32,
    ) -> Result<Vec<Transfer>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(statement::SELECT_UNSWEPT).bind(ended_before).bind(after).bind(i64::from(most));
        let rows = query.bind(now).fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(sql::transfer).collect()
    }

    async fn unswept_total_once(&self, now: i64) -> Result<(u64, u64), StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(statement::SELECT_UNSWEPT_TOTAL).bind(now).fetch_one(&mut *session).await?;
        session.end();
        statement::unswept_total(&row)
    }

    async fn totals_once(&self, now: Timestamp) -> Result<Vec<Total>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(statement::SELECT_TOTALS).bind(now.as_millisecond());
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(statement::total).collect()
    }

    async fn unstore_once(
        &self,
        id: TransferId,
        index: ChunkIndex,
        blake3: Digest,
        len: i64,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        // The transfer's row first, as whoever records chunks does: so nobody waits in a circle.
        let counted = sqlx::query(statement::COUNT_UNSTORED).bind(id.as_str()).bind(len).execute(&mut *tx).await?;
        let chunk = sqlx::query(statement::UNSTORE_CHUNK).bind(id.as_str()).bind(i64::from(index.get()));
        let chunk = chunk.bind(blake3.as_slice()).execute(&mut *tx).await?;
        let unstored = (chunk.rows_affected(), counted.rows_affected()) == (1, 1);
        match unstored {
            true => tx.commit().await?,
            false => tx.rollback().await?,
        }
        session.end();
        Ok(unstored)
    }

    async fn restore_once(&self, restored: &Restored) -> Result<bool, StoreError> {
        let transfer = &restored.transfer;
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        if sql::insert_transfer::<Postgres>(transfer)?.execute(&mut *tx).await?.rows_affected() == 0 {
            tx.rollback().await?;
            session.end();
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
        statement::restore_completed::<Postgres>(transfer)?.execute(&mut *tx).await?;
        sql::access::count_restored(&mut *tx, transfer.id, transfer.shape.body_bytes()).await?;
        tx.commit().await?;
        session.end();
        Ok(true)
    }
}

#[async_trait]
impl OperatorStore for PostgresStore {
    async fn transfers(&self, after: Option<TransferId>, most: u32) -> Result<Vec<Transfer>, StoreError> {
        let after = after.as_ref().map_or("", TransferId::as_str);
        self.retry.run(|| self.transfers_once(after, most)).await
    }

    async fn stored_chunks(
        &self,
        id: TransferId,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ChunkIndex, StoredChunk)>, StoreError> {
        self.retry.run(|| self.stored_chunks_once(id, from, most)).await
    }

    async fn unswept(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        after: Option<TransferId>,
        most: u32,
    ) -> Result<Vec<Transfer>, StoreError> {
        let (ended, now) = (ended_before.as_millisecond(), now.as_millisecond());
        let after = after.as_ref().map_or("", TransferId::as_str);
        self.retry.run(|| self.unswept_once(ended, now, after, most)).await
    }

    async fn unswept_total(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        self.retry.run(|| self.unswept_total_once(now.as_millisecond())).await
    }

    async fn totals(&self, now: Timestamp) -> Result<Vec<Total>, StoreError> {
        self.retry.run(|| self.totals_once(now)).await
    }

    async fn unstore(&self, id: TransferId, index: ChunkIndex, blake3: Digest, len: u64) -> Result<bool, StoreError> {
        let len = i64::try_from(len).map_err(StoreError::internal)?;
        self.retry.run(|| self.unstore_once(id, index, blake3, len)).await
    }

    async fn restore(&self, restored: &Restored) -> Result<bool, StoreError> {
        // As long as it takes: a million chunks are more than one try may last. Whoever rebuilds runs it again.
        self.restore_once(restored).await
    }
}
