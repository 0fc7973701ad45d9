//! Who may create, and who may write to what has no owner: access tokens, where the server asks for them.

use std::time::Instant;

use haulier_wire::{TokenHash, TransferId};

use super::state::Create;
use super::{Client, Token, TransferError, Transfers, Writer, access};
use crate::metadata::{AccessToken, Charge, Refusal, Transfer};

/// What an access token is good for.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nobody is asked for one.
    Open,
    /// It may create.
    Good(AccessToken),
    /// It may not, and why.
    Refused(Refusal),
}

impl Transfers {
    /// Lets one request of a client pass, within the rate.
    ///
    /// # Errors
    /// [`TransferError::RateLimited`].
    pub fn within_rate(&self, client: Client) -> Result<(), TransferError> {
        let passed = self.client_rates.take(client, Instant::now());
        passed.map_err(|retry_after| TransferError::RateLimited { retry_after })
    }

    /// Lets whoever may create pass, before anything is read of what they want. Takes nothing yet.
    ///
    /// A token that is used up passes: the same create again needs no use.
    ///
    /// # Errors
    /// [`TransferError::MissingAccessToken`], [`TransferError::Refused`], [`TransferError::RateLimited`].
    pub async fn may_create(&self, access: Option<&Token>) -> Result<(), TransferError> {
        if self.limits.create == Create::Open {
            return Ok(());
        }
        let hash = self.good_token(access.ok_or(TransferError::MissingAccessToken)?).await?;
        let passed = self.token_rates.take(hash, Instant::now());
        passed.map_err(|retry_after| TransferError::RateLimited { retry_after })
    }

    /// Tells what an access token is good for now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_access_token(&self, token: &Token) -> Result<Standing, TransferError> {
        if self.limits.create == Create::Open {
            return Ok(Standing::Open);
        }
        let Some(token) = self.metadata.access_token(&token.hash()).await? else {
            return Ok(Standing::Refused(Refusal::TokenUnknown));
        };
        let used_up = (token.uses_left() == Some(0)).then_some(Refusal::TokenUsedUp);
        Ok(match token.refusal(self.clock.now()).or(used_up) {
            Some(refusal) => Standing::Refused(refusal),
            None => Standing::Good(token),
        })
    }

    /// Takes one use of an access token, and tells what it is good for after that.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn use_access_token(&self, token: &Token) -> Result<Standing, TransferError> {
        if self.limits.create == Create::Open {
            return Ok(Standing::Open);
        }
        Ok(match self.metadata.use_access_token(&token.hash(), self.clock.now()).await? {
            Ok(token) => Standing::Good(token),
            Err(refusal) => Standing::Refused(refusal),
        })
    }

    /// Bytes that all transfers together may still take; `None` without a limit, and while the database is away.
    pub async fn left_bytes(&self) -> Option<u64> {
        let most = self.limits.quotas.server_bytes?;
        let usage = self.usages.ask(self.metadata.usage()).await.ok()?;
        Some(most.saturating_sub(usage.counted_bytes))
    }

    /// What a new transfer of so many bytes takes, created with this token.
    pub(super) fn share(&self, bytes: u64, access: Option<&Token>) -> Charge {
        let token = match self.limits.create {
            Create::Open => None,
            Create::Token => access.map(Token::hash),
        };
        Charge { bytes, token, quotas: self.limits.quotas }
    }

    /// Has an open upload count for at least so many bytes.
    pub(super) async fn recount(&self, id: TransferId, bytes: u64) -> Result<(), TransferError> {
        let charge = Charge { bytes, token: None, quotas: self.limits.quotas };
        self.metadata.recount(id, &charge).await?.map_err(TransferError::Refused)
    }

    /// Lets whoever may write to a transfer pass: its owner, or, where it has none, whoever created it.
    pub(super) async fn check_writer(&self, transfer: &Transfer, writer: &Writer) -> Result<(), TransferError> {
        match &transfer.owner_token_hash {
            // Whoever has a payload's owner token may delete it, and that is all it is for.
            Some(owner) if transfer.shape.payload().is_none() => access::check(writer.owner.as_ref(), Some(owner)),
            _ => self.check_creator(transfer.id, writer.access.as_ref()).await,
        }
    }

    /// Lets whoever may say how long a transfer lives pass: its owner, or whoever is known to have created it. Where that
    /// is nobody, as where anyone may write, an id alone must not be enough.
    pub(super) async fn check_owner(&self, transfer: &Transfer, writer: &Writer) -> Result<(), TransferError> {
        if let Some(owner) = &transfer.owner_token_hash {
            return access::check(writer.owner.as_ref(), Some(owner));
        }
        if self.limits.create == Create::Open {
            return Err(TransferError::DeleteNotEnabled);
        }
        let access = writer.access.as_ref().ok_or(TransferError::MissingAccessToken)?;
        let creator = self.metadata.creator(transfer.id).await?.ok_or(TransferError::DeleteNotEnabled)?;
        is_creator(&creator, access)
    }

    /// Lets the holder of the access token that created a transfer pass. It may have expired since, but not been revoked.
    async fn check_creator(&self, id: TransferId, access: Option<&Token>) -> Result<(), TransferError> {
        if self.limits.create == Create::Open {
            return Ok(());
        }
        let access = access.ok_or(TransferError::MissingAccessToken)?;
        match self.metadata.creator(id).await? {
            Some(creator) => is_creator(&creator, access),
            // Created while nobody was asked for a token. A chunk is no create: the rate of these is not asked.
            None => self.good_token(access).await.map(drop),
        }
    }

    async fn good_token(&self, access: &Token) -> Result<TokenHash, TransferError> {
        let hash = access.hash();
        let token = self.metadata.access_token(&hash).await?;
        let token = token.ok_or(TransferError::Refused(Refusal::TokenUnknown))?;
        token.refusal(self.clock.now()).map_or(Ok(hash), |refusal| Err(TransferError::Refused(refusal)))
    }
}

/// Another token that is good for something else is told the same as one that nobody knows.
fn is_creator(creator: &AccessToken, access: &Token) -> Result<(), TransferError> {
    access::check(Some(access), Some(&creator.hash)).map_err(|_| TransferError::Refused(Refusal::TokenUnknown))?;
    let revoked = creator.revoked_at.map(|_| TransferError::Refused(Refusal::TokenRevoked));
    revoked.map_or(Ok(()), Err)
}
