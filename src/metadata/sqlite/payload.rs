//! Payloads in SQLite.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::Sqlite;

use super::{SqliteStore, sql};
use crate::metadata::{Expiry, PayloadRecord, PayloadStore};
use crate::store::{StoreError, UploadId};

#[async_trait]
impl PayloadStore for SqliteStore {
    async fn record_payload(&self, record: &PayloadRecord) -> Result<bool, StoreError> {
        let query = sql::payload::record_payload::<Sqlite>(record)?;
        Ok(query.execute(&mut *self.writer.acquire().await?).await?.rows_affected() == 1)
    }

    async fn complete_payload(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let query = sql::payload::complete_payload::<Sqlite>(&id, upload, at, expiry, expires_at);
        let mut tx = self.begin().await?;
        let is_frozen = query.execute(&mut *tx).await?.rows_affected() == 1;
        if is_frozen {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        Ok(is_frozen)
    }
}
