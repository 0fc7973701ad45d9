//! Create, complete, delete, swept in SQLite: what a transfer takes of the quotas, and gives back.

use haulier_wire::{Timestamp, TransferId};

use super::{SqliteStore, select_transfer, sql};
use crate::metadata::{Created, Expiry, NewTransfer};
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn insert(&self, new: &NewTransfer) -> Result<Created, StoreError> {
        let transfer = &new.transfer;
        let mut tx = self.begin().await?;
        if let Some(existing) = select_transfer(&mut tx, transfer.id).await? {
            tx.commit().await?;
            return Ok(Created::Existing(Box::new(existing)));
        }
        sql::insert_transfer(transfer)?.execute(&mut *tx).await?;
        if let Some(charge) = &new.charge
            && let Err(refusal) = sql::access::take(&mut *tx, transfer.id, charge, transfer.created_at).await?
        {
            tx.undo().await?;
            return Ok(Created::Refused(refusal));
        }
        if let Some(sealed) = &new.sealed_metadata {
            let query = sqlx::query(sql::INSERT_SEALED_METADATA).bind(transfer.id.as_str()).bind(sealed);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Created::New)
    }

    pub(super) async fn freeze(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (expires_in_ms, asked_at) = sql::expiry_columns(expiry);
        let mut tx = self.begin().await?;
        let query = sqlx::query(sql::COMPLETE).bind(id.as_str());
        let query = query.bind(at.as_millisecond()).bind(expires_at.as_millisecond());
        let is_frozen = query.bind(expires_in_ms).bind(asked_at).execute(&mut *tx).await?.rows_affected() == 1;
        if is_frozen {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        Ok(is_frozen)
    }

    pub(super) async fn bury(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let query = sqlx::query(sql::DELETE).bind(id.as_str()).bind(at.as_millisecond());
        let is_deleted = query.execute(&mut *tx).await?.rows_affected() == 1;
        if is_deleted {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        Ok(is_deleted)
    }

    pub(super) async fn forget(&self, id: TransferId) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        sql::access::give_back(&mut *tx, id).await?;
        for statement in [sql::DELETE_CHUNKS, sql::DELETE_SEALED_METADATA, sql::lease::DELETE_LEASES] {
            sqlx::query(statement).bind(id.as_str()).execute(&mut *tx).await?;
        }
        let noted = sqlx::query(sql::MARK_SWEPT).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        sql::swept_bytes(noted.as_ref())
    }
}
