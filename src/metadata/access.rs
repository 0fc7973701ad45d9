//! Who may create, and what all transfers hold: access tokens, quotas, and what came of asking for a share.

use std::fmt::Debug;

use async_trait::async_trait;
use haulier_wire::{Timestamp, TokenHash, TransferId};

use crate::store::StoreError;

/// One access token's row. The token itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The operator's word for it.
    pub name: String,
    /// What is kept of it.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Most transfers that it creates.
    pub max_uses: Option<u64>,
    /// Transfers that it created.
    pub uses: u64,
    /// Most bytes of its transfers at a time; the server's settings say when absent.
    pub max_bytes: Option<u64>,
    /// Bytes of its transfers that are not swept yet.
    pub counted_bytes: u64,
    /// Its uploads that are not complete yet.
    pub open_uploads: u64,
}

impl AccessToken {
    /// Why it is good for nothing at `now`, or `None`. At the very moment of expiry it is over.
    #[must_use]
    pub fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        if self.revoked_at.is_some() {
            return Some(Refusal::TokenRevoked);
        }
        self.expires_at.is_some_and(|at| at <= now).then_some(Refusal::TokenExpired)
    }

    /// Transfers that it may still create; no limit when absent.
    #[must_use]
    pub fn uses_left(&self) -> Option<u64> {
        self.max_uses.map(|most| most.saturating_sub(self.uses))
    }
}

/// What all transfers together count for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of transfers that are not swept yet.
    pub counted_bytes: u64,
    /// Uploads that are not complete yet.
    pub open_uploads: u64,
}

/// What a new transfer takes of what is limited, and within which limits; no limit when absent.
#[derive(Clone, Debug, Default)]
pub struct Charge {
    /// Bytes that it will hold.
    pub bytes: u64,
    /// The access token that creates it.
    pub token: Option<TokenHash>,
    /// The server's limits.
    pub quotas: Quotas,
}

/// Limits on what counts at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Bytes of all transfers.
    pub server_bytes: Option<u64>,
    /// Uploads that are not complete.
    pub server_uploads: Option<u64>,
    /// Bytes of one access token's transfers, unless the token has a limit of its own.
    pub token_bytes: Option<u64>,
    /// Uploads of one access token that are not complete.
    pub token_uploads: Option<u64>,
}

/// Why a share was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such access token.
    TokenUnknown,
    /// The operator revoked it.
    TokenRevoked,
    /// Its time is over.
    TokenExpired,
    /// It has created as many transfers as it may.
    TokenUsedUp,
    /// Its transfers hold too much; so many bytes are left.
    TokenBytes(u64),
    /// Too many of its uploads are open.
    TokenUploads,
    /// All transfers hold too much; so many bytes are left.
    ServerBytes(u64),
    /// Too many uploads are open.
    ServerUploads,
}

/// What revoking found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is revoked now.
    Now,
    /// It was revoked before.
    Before,
    /// There is no such token.
    Unknown,
}

/// The part of a database that knows access tokens and quotas. Every method is one atomic intent.
#[async_trait]
pub trait AccessStore: Debug + Send + Sync {
    /// Finds an access token, whatever its state.
    async fn access_token(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError>;

    /// Finds the access token that created a transfer, whatever its state; `None` when none did.
    async fn creator(&self, id: TransferId) -> Result<Option<AccessToken>, StoreError>;

    /// Takes one use of an access token without creating anything; the row after that.
    async fn use_access_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<AccessToken, Refusal>, StoreError>;

    /// Has an open upload count for at least so many bytes, whose token is the one that created it.
    async fn recount(&self, id: TransferId, charge: &Charge) -> Result<Result<(), Refusal>, StoreError>;

    /// What all transfers count for.
    async fn usage(&self) -> Result<Usage, StoreError>;

    /// Adds an access token; `false` when its name or hash is taken.
    async fn add_access_token(&self, token: &AccessToken) -> Result<bool, StoreError>;

    /// Lists access tokens by name: the first `most` behind `after`.
    async fn access_tokens(&self, after: &str, most: u32) -> Result<Vec<AccessToken>, StoreError>;

    /// Revokes the access token of this name.
    async fn revoke_access_token(&self, name: &str, at: Timestamp) -> Result<Revoked, StoreError>;
}
