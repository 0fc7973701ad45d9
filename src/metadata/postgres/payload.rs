//! Payloads in Postgres. A second try whose first one was done finds nothing to do.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::anyhow;
use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::{Connection as _, Postgres};

use super::{PostgresStore, sql};
use crate::metadata::{Expiry, MetadataStore as _, PayloadRecord, PayloadStore};
use crate::store::{StoreError, UploadId};

#[async_trait]
impl PayloadStore for PostgresStore {
    async fn record_payload(&self, record: &PayloadRecord) -> Result<bool, StoreError> {
        let tries = AtomicU32::new(0);
        let once = || {
            tries.fetch_add(1, Ordering::Relaxed);
            async { self.execute(sql::payload::record_payload::<Postgres>(record)?).await }
        };
        match (self.retry.run(once).await?, tries.into_inner()) {
            (1, _) => Ok(true),
            (_, 1) => Ok(false),
            _ => self.counts_after_all(record).await,
        }
    }

    async fn complete_payload(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.retry.run(|| self.complete_payload_once(id, upload, at, expiry, expires_at)).await
    }
}

impl PostgresStore {
    /// An earlier try may have been done and its answer lost. Where the upload does not count now, another one may have
    /// seen it counting and taken its place: that is no `false`, which would let its writer try once more.
    async fn counts_after_all(&self, record: &PayloadRecord) -> Result<bool, StoreError> {
        let row = self.transfer(record.transfer_id).await?;
        match row.and_then(|row| row.payload_upload()) {
            Some(upload) if upload == record.upload => Ok(true),
            _ => Err(StoreError::unavailable(anyhow!("nobody knows whether an upload counted for a while"))),
        }
    }

    async fn complete_payload_once(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let query = sql::payload::complete_payload::<Postgres>(&id, upload, at, expiry, expires_at);
        let is_frozen = query.execute(&mut *tx).await?.rows_affected() == 1;
        if is_frozen {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        session.end();
        Ok(is_frozen)
    }
}
