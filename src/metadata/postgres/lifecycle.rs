//! Complete, delete, swept in Postgres: what a transfer gives back of the quotas.

use haulier_wire::{Timestamp, TransferId};
use sqlx::Connection as _;

use super::{LOCK_TRANSFER, PostgresStore, sql};
use crate::metadata::Expiry;
use crate::store::StoreError;

impl PostgresStore {
    pub(super) async fn complete_once(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (expires_in_ms, asked_at) = sql::expiry_columns(expiry);
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let query = sqlx::query(sql::COMPLETE).bind(id.as_str());
        let query = query.bind(at.as_millisecond()).bind(expires_at.as_millisecond());
        let is_frozen = query.bind(expires_in_ms).bind(asked_at).execute(&mut *tx).await?.rows_affected() == 1;
        if is_frozen {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        session.end();
        Ok(is_frozen)
    }

    pub(super) async fn delete_once(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let query = sqlx::query(sql::DELETE).bind(id.as_str()).bind(at.as_millisecond());
        let is_deleted = query.execute(&mut *tx).await?.rows_affected() == 1;
        if is_deleted {
            sql::access::close_upload(&mut *tx, id).await?;
        }
        tx.commit().await?;
        session.end();
        Ok(is_deleted)
    }

    pub(super) async fn swept_once(&self, id: TransferId) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        sqlx::query(LOCK_TRANSFER).bind(id.as_str()).execute(&mut *tx).await?;
        sql::access::give_back(&mut *tx, id).await?;
        for statement in [sql::DELETE_CHUNKS, sql::DELETE_SEALED_METADATA, sql::lease::DELETE_LEASES] {
            sqlx::query(statement).bind(id.as_str()).execute(&mut *tx).await?;
        }
        let noted = sqlx::query(sql::MARK_SWEPT).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        session.end();
        sql::swept_bytes(noted.as_ref())
    }
}
