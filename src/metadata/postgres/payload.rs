//! Payloads in Postgres. A second try whose first one was done finds nothing to do; whoever asked looks at the row then.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::Postgres;

use super::{PostgresStore, sql};
use crate::metadata::{Expiry, PayloadRecord, PayloadStore};
use crate::store::{StoreError, UploadId};

#[async_trait]
impl PayloadStore for PostgresStore {
    async fn record_payload(&self, record: &PayloadRecord) -> Result<bool, StoreError> {
        let once = || async { self.execute(sql::payload::record_payload::<Postgres>(record)?).await };
        Ok(self.retry.run(once).await? == 1)
    }

    async fn complete_payload(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let once = || self.execute(sql::payload::complete_payload::<Postgres>(&id, upload, at, expiry, expires_at));
        Ok(self.retry.run(once).await? == 1)
    }
}
