//! Payloads in Postgres. A second try whose first one was done finds nothing to do; whoever asked looks at the row then.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};
use sqlx::{Connection as _, Postgres};

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
        self.retry.run(|| self.complete_payload_once(id, upload, at, expiry, expires_at)).await
    }
}

impl PostgresStore {
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
