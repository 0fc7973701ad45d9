//! Access tokens and quotas in Postgres.

use async_trait::async_trait;
use haulier_wire::{Timestamp, TokenHash, TransferId};
use sqlx::{Connection as _, PgConnection};

use super::{LOCK_TRANSFER, PostgresStore};
use crate::metadata::sql::access::{self, Steps, Value};
use crate::metadata::sql::recount::{Counted, recount};
use crate::metadata::{AccessStore, AccessToken, Charge, Refusal, Revoked, Usage};
use crate::store::StoreError;

impl PostgresStore {
    async fn access_token_once(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        let mut session = self.session().await?;
        let token = session.access_token(hash).await?;
        session.end();
        Ok(token)
    }

    async fn creator_once(&self, id: TransferId) -> Result<Option<AccessToken>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(access::SELECT_CREATOR).bind(id.as_str()).fetch_optional(&mut *session).await?;
        session.end();
        row.as_ref().map(access::access_token).transpose()
    }

    async fn use_access_token_once(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<AccessToken, Refusal>, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let used = access::use_token(&mut *tx, hash, now).await?;
        tx.commit().await?;
        session.end();
        Ok(used)
    }

    async fn recount_once(&self, id: TransferId, charge: &Charge) -> Result<Result<(), Refusal>, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        sqlx::query(LOCK_TRANSFER).bind(id.as_str()).execute(&mut *tx).await?;
        let recounted = recount(&mut *tx, id, charge).await?;
        match recounted {
            Ok(()) => tx.commit().await?,
            Err(_) => tx.rollback().await?,
        }
        session.end();
        Ok(recounted)
    }

    async fn usage_once(&self) -> Result<Usage, StoreError> {
        let mut session = self.session().await?;
        let usage = session.usage().await?;
        session.end();
        Ok(usage)
    }

    async fn add_access_token_once(&self, token: &AccessToken) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let is_new = access::add_token(&mut *session, token).await?;
        session.end();
        Ok(is_new)
    }

    async fn access_tokens_once(&self, after: &str, most: u32) -> Result<Vec<AccessToken>, StoreError> {
        let mut session = self.session().await?;
        let query = sqlx::query(access::SELECT_TOKENS).bind(after).bind(i64::from(most));
        let rows = query.fetch_all(&mut *session).await?;
        session.end();
        rows.iter().map(access::access_token).collect()
    }

    async fn revoke_access_token_once(&self, name: &str, at: Timestamp) -> Result<Revoked, StoreError> {
        let mut session = self.session().await?;
        let mut tx = session.begin().await?;
        let revoked = access::revoke_token(&mut *tx, name, at).await?;
        tx.commit().await?;
        session.end();
        Ok(revoked)
    }
}

#[async_trait]
impl AccessStore for PostgresStore {
    async fn access_token(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        self.retry.run(|| self.access_token_once(hash)).await
    }

    async fn creator(&self, id: TransferId) -> Result<Option<AccessToken>, StoreError> {
        self.retry.run(|| self.creator_once(id)).await
    }

    async fn use_access_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<AccessToken, Refusal>, StoreError> {
        // Not again: it might have been used.
        self.retry.once(self.use_access_token_once(hash, now)).await
    }

    async fn recount(&self, id: TransferId, charge: &Charge) -> Result<Result<(), Refusal>, StoreError> {
        self.retry.run(|| self.recount_once(id, charge)).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.retry.run(|| self.usage_once()).await
    }

    async fn add_access_token(&self, token: &AccessToken) -> Result<bool, StoreError> {
        // Not again: a token that was added would be found taken.
        self.retry.once(self.add_access_token_once(token)).await
    }

    async fn access_tokens(&self, after: &str, most: u32) -> Result<Vec<AccessToken>, StoreError> {
        self.retry.run(|| self.access_tokens_once(after, most)).await
    }

    async fn revoke_access_token(&self, name: &str, at: Timestamp) -> Result<Revoked, StoreError> {
        self.retry.run(|| self.revoke_access_token_once(name, at)).await
    }
}

#[async_trait]
impl Steps for PgConnection {
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
