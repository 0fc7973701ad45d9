//! The operator's side of access tokens: made, listed, revoked.

use haulier_wire::Timestamp;
use haulier_wire::encoding::to_base64url;

use super::{Token, TransferError, Transfers};
use crate::metadata::{AccessToken, Revoked};

/// Tokens that are read at a time.
const PAGE: u32 = 1000;

/// What a new access token is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The operator's word for it.
    pub name: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Most transfers that it creates.
    pub max_uses: Option<u64>,
    /// Most bytes of its transfers at a time.
    pub max_bytes: Option<u64>,
}

impl Transfers {
    /// Makes an access token; its text is told this once. `None` when the name is taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn make_access_token(&self, wanted: Wanted) -> Result<Option<(String, AccessToken)>, TransferError> {
        let text = to_base64url(&[self.entropy.bytes(), self.entropy.bytes()].concat());
        let Some(token) = Token::new(&text) else { return Ok(None) };
        let row = AccessToken {
            name: wanted.name,
            hash: token.hash(),
            created_at: self.clock.now(),
            expires_at: wanted.expires_at,
            revoked_at: None,
            max_uses: wanted.max_uses,
            uses: 0,
            max_bytes: wanted.max_bytes,
            counted_bytes: 0,
            open_uploads: 0,
        };
        Ok(self.metadata.add_access_token(&row).await?.then_some((text, row)))
    }

    /// Lists all access tokens by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn access_tokens(&self) -> Result<Vec<AccessToken>, TransferError> {
        let mut all: Vec<AccessToken> = Vec::new();
        loop {
            let after = all.last().map(|token| token.name.clone()).unwrap_or_default();
            let page = self.metadata.access_tokens(&after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Revokes an access token. What it created stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_access_token(&self, name: &str) -> Result<Revoked, TransferError> {
        Ok(self.metadata.revoke_access_token(name, self.clock.now()).await?)
    }

    /// The present moment, for who says when a token ends.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
