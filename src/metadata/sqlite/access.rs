//! Access tokens and quotas in SQLite.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TokenHash, TransferId};
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::metadata::sql::access::{self, Steps, Value};
use crate::metadata::sql::recount::{Counted, recount};
use crate::metadata::{AccessStore, AccessToken, Charge, Refusal, Revoked, Usage};
use crate::store::StoreError;

#[async_trait]
impl AccessStore for SqliteStore {
    async fn access_token(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        self.readers.acquire().await?.access_token(hash).await
    }

    async fn creator(&self, id: TransferId) -> Result<Option<AccessToken>, StoreError> {
        let query = sqlx::query(access::SELECT_CREATOR).bind(id.as_str());
        let row = query.fetch_optional(&mut *self.readers.acquire().await?).await?;
        row.as_ref().map(access::access_token).transpose()
    }

    async fn use_access_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<AccessToken, Refusal>, StoreError> {
        let mut tx = self.begin().await?;
        let used = access::use_token(&mut *tx, hash, now).await?;
        tx.commit().await?;
        Ok(used)
    }

    async fn recount(&self, id: TransferId, charge: &Charge) -> Result<Result<(), Refusal>, StoreError> {
        let mut tx = self.begin().await?;
        let recounted = recount(&mut *tx, id, charge).await?;
        match recounted {
            Ok(()) => tx.commit().await?,
            Err(_) => tx.undo().await?,
        }
        Ok(recounted)
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.readers.acquire().await?.usage().await
    }

    async fn add_access_token(&self, token: &AccessToken) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let is_new = access::add_token(&mut *tx, token).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    async fn access_tokens(&self, after: &str, most: u32) -> Result<Vec<AccessToken>, StoreError> {
        let query = sqlx::query(access::SELECT_TOKENS).bind(after).bind(i64::from(most));
        query.fetch_all(&mut *self.readers.acquire().await?).await?.iter().map(access::access_token).collect()
    }

    async fn revoke_access_token(&self, name: &str, at: Timestamp) -> Result<Revoked, StoreError> {
        let mut tx = self.begin().await?;
        let revoked = access::revoke_token(&mut *tx, name, at).await?;
        tx.commit().await?;
        Ok(revoked)
    }
}

#[async_trait]
impl Steps for SqliteConnection {
    async fn change(&mut self, statement: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let query = values.iter().fold(sqlx::query(statement), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        });
        Ok(query.execute(self).await?.rows_affected())
    }

    async fn access_token(&mut self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        let row = sqlx::query(access::SELECT_TOKEN).bind(hash.as_str()).fetch_optional(self).await?;
        row.as_ref().map(access::access_token).transpose()
    }

    async fn counted(&mut self, id: TransferId) -> Result<Option<Counted>, StoreError> {
        let row = sqlx::query(access::SELECT_COUNTED).bind(id.as_str()).fetch_optional(self).await?;
        row.as_ref().map(access::counted).transpose()
    }

    async fn usage(&mut self) -> Result<Usage, StoreError> {
        access::usage(&sqlx::query(access::SELECT_USAGE).fetch_one(self).await?)
    }
}
