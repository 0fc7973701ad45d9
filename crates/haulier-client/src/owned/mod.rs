//! What this machine sent: listed, changed and deleted with the owner tokens that it kept.
//!
//! Tokens are read where they are needed, travel to the server that made the transfer and to no other, and are in none
//! of the values that callers see.

mod choose;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haulier_wire::api::{DeleteStatus, UpdateRequest};
use haulier_wire::{ByteLen, Timestamp, TransferId};

pub use choose::ChooseError;

use crate::ambient::Ambient;
use crate::error::{Error, LimitError};
use crate::http::{Api, CallError, Retry, RetryPolicy, Role, Server, until_final};
use crate::progress::Progress;
use crate::resume::{Claim, Claimed, Forgotten, SentAs, SentRecord, Store};
use crate::secret::blocking;

/// A transfer that was sent from this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTransfer {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The server's address.
    pub server: String,
    /// The name that the receiver sees. Escape it before it is shown.
    pub name: String,
    /// Bytes of plaintext.
    pub file_size: u64,
    /// When it was complete, by this machine's clock.
    pub sent_at: Timestamp,
    /// When it ends, by the server's clock. A legacy server need not say, and then keeps it for good.
    pub expires_at: Option<Timestamp>,
    /// How often it can be downloaded in all, as it was sent or last changed from here; 0 for no limit, none where an
    /// earlier version did not note it.
    pub max_downloads: Option<u64>,
    /// Whether it was sent as a blob for the legacy system's web client.
    pub is_legacy: bool,
}

impl SentTransfer {
    /// Whether it has ended by its own time; it may be gone for other reasons.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// An upload from this machine that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The server's address.
    pub server: String,
    /// The name that the receiver will see. Escape it before it is shown.
    pub name: String,
    /// Whether the same command goes on with it: not where the input was a stream.
    pub can_go_on: bool,
    /// Bytes of plaintext.
    pub file_size: u64,
    /// Chunks in all.
    pub total_chunks: u32,
    /// Chunks that were sealed: at most one window more than the server has.
    pub sealed_chunks: u32,
    /// Whether a process is at it now.
    pub in_use: bool,
    /// When it began, by this machine's clock; absent where that was not kept.
    pub begun_at: Option<Timestamp>,
}

/// All that this machine knows of its transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// What was sent, newest first.
    pub transfers: Vec<SentTransfer>,
    /// What can go on, newest first.
    pub uploads: Vec<UnfinishedUpload>,
    /// Files and folders of the state that cannot be read, and were passed over.
    pub damaged: Vec<PathBuf>,
}

/// What became of a transfer that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The server deleted it.
    Deleted,
    /// The server had it no longer: deleted before, expired, or never there.
    AlreadyGone,
    /// Only this machine forgot it; no server was asked.
    ForgottenHere,
}

/// Why something was not done to a transfer of this machine's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OwnedError {
    /// It is not known here, so there is no owner token.
    #[error("transfer {0} was not sent from this machine, or was forgotten")]
    NotOurs(TransferId),
    /// Another process is uploading it.
    #[error("another process is uploading transfer {0}")]
    InUse(TransferId),
    /// Its state cannot be read.
    #[error("the state of transfer {0} is damaged")]
    Damaged(TransferId),
    /// It is not complete yet.
    #[error("transfer {0} is still being uploaded")]
    Unfinished(TransferId),
    /// It was sent as the legacy system knows it, which changes nothing.
    #[error("transfer {0} was sent with --legacy, and the legacy system cannot change what it has")]
    Legacy(TransferId),
    /// The server takes no download limits.
    #[error("the version of {server} does not limit downloads")]
    NoDownloadLimits {
        /// The server's address.
        server: String,
    },
    /// A request failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// What to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How long it lives from now on. Whole seconds count.
    pub lifetime: Option<Duration>,
    /// How often it can be downloaded in all; 0 lifts the limit.
    pub max_downloads: Option<u64>,
}

/// Acts for the person who sent from this machine.
#[derive(Clone)]
pub struct Owner {
    store: Store,
    policy: RetryPolicy,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Owner {
    /// Works on the local state in `state_dir`; makes no folder there.
    pub fn new(
        state_dir: impl Into<PathBuf>,
        policy: RetryPolicy,
        ambient: Ambient,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self { store: Store::at(&state_dir.into()), policy, ambient, progress }
    }

    /// Reads what this machine knows. No server is asked.
    ///
    /// # Errors
    /// [`Error::State`] if a folder that is there cannot be read. What is damaged is named, not fatal.
    pub async fn list(&self) -> Result<Owned, Error> {
        let store = self.store.clone();
        blocking(move || {
            let records = store.records()?;
            let (unfinished, mut damaged) = store.unfinished()?;
            damaged.extend(records.damaged);
            let transfers = records.whole.into_iter().map(SentTransfer::from).collect();
            let uploads = unfinished.into_iter().map(UnfinishedUpload::from).collect();
            Ok(Owned { transfers, uploads, damaged })
        })
        .await
    }

    /// Deletes a transfer on its server and forgets it here; an unfinished upload is given up in the same way.
    ///
    /// # Errors
    /// [`OwnedError`] says why; nothing is then forgotten, so that it can be tried again.
    pub async fn remove(&self, id: TransferId) -> Result<Removed, OwnedError> {
        if let Some(record) = self.record(id).await? {
            let removed = self.delete(&record.server, id, &record.owner_token, record.sent_as).await?;
            let store = self.store.clone();
            blocking(move || store.forget_record(id)).await?;
            // Killed just before its end, a send leaves both.
            if let Ok(claim) = self.claim(id).await {
                blocking(move || {
                    claim.discard();
                    Ok(())
                })
                .await?;
            }
            return Ok(removed);
        }
        let claim = self.claim(id).await?;
        let removed = self.delete(&claim.server, id, &claim.owner_token, SentAs::Chunks).await?;
        blocking(move || {
            claim.discard();
            Ok(())
        })
        .await?;
        Ok(removed)
    }

    /// Forgets a transfer, or an upload, on this machine alone: its server may be gone for good, and is not asked. What the
    /// server has stays there until it expires, and nobody can delete it any more.
    ///
    /// # Errors
    /// [`OwnedError::InUse`], [`OwnedError::NotOurs`], and a state that cannot be written.
    pub async fn forget(&self, id: TransferId) -> Result<Removed, OwnedError> {
        let store = self.store.clone();
        match blocking(move || store.forget(id)).await? {
            Forgotten::Sent | Forgotten::Upload => Ok(Removed::ForgottenHere),
            Forgotten::InUse => Err(OwnedError::InUse(id)),
            Forgotten::Nothing => Err(OwnedError::NotOurs(id)),
        }
    }

    /// Changes a transfer on its server and in its record; returns when it ends.
    ///
    /// # Errors
    /// [`OwnedError`] says why nothing was changed. What the server cannot do is noticed before it is asked to.
    pub async fn change(&self, id: TransferId, change: Change) -> Result<SentTransfer, OwnedError> {
        let Some(mut record) = self.record(id).await? else {
            return Err(match self.claim(id).await {
                Ok(_) | Err(OwnedError::InUse(_)) => OwnedError::Unfinished(id),
                Err(error) => error,
            });
        };
        if record.sent_as == SentAs::Legacy {
            return Err(OwnedError::Legacy(id));
        }
        let (api, retry) = self.connect(&record.server)?;
        let config = until_final!(retry, api.config()).map_err(|error| owner_error(error, &api))?;
        if change.max_downloads.is_some_and(|limit| limit > 0) && !config.download_limits {
            return Err(OwnedError::NoDownloadLimits { server: record.server });
        }
        let (min_seconds, max_seconds) = (config.min_expires_in_seconds, config.max_expires_in_seconds);
        let number = |value| ByteLen::new(value).ok_or(Error::from(LimitError::Lifetime { min_seconds, max_seconds }));
        if change.lifetime.is_some_and(|lifetime| !(min_seconds..=max_seconds).contains(&lifetime.as_secs())) {
            return Err(Error::from(LimitError::Lifetime { min_seconds, max_seconds }).into());
        }
        let request = UpdateRequest {
            expires_in_seconds: change.lifetime.map(|lifetime| number(lifetime.as_secs())).transpose()?,
            expires_at: None,
            max_downloads: change.max_downloads.map(number).transpose()?,
        };
        let status = until_final!(retry, api.update(id, &record.owner_token, &request));
        let status = status.map_err(|error| owner_error(error, &api))?;
        record.expires_at = status.expires_at.or(record.expires_at);
        record.max_downloads = Some(status.max_downloads);
        let (store, kept) = (self.store.clone(), record.clone());
        blocking(move || store.record(&kept)).await?;
        Ok(record.into())
    }

    async fn record(&self, id: TransferId) -> Result<Option<SentRecord>, Error> {
        let store = self.store.clone();
        let records = blocking(move || store.records()).await?;
        Ok(records.whole.into_iter().find(|record| record.transfer_id == id))
    }

    async fn claim(&self, id: TransferId) -> Result<Box<Claim>, OwnedError> {
        let store = self.store.clone();
        match blocking(move || store.claim(id)).await? {
            Claimed::Upload(claim) => Ok(claim),
            Claimed::InUse => Err(OwnedError::InUse(id)),
            Claimed::Damaged => Err(OwnedError::Damaged(id)),
            Claimed::Nothing => Err(OwnedError::NotOurs(id)),
        }
    }

    async fn delete(&self, server: &str, id: TransferId, owner: &str, sent_as: SentAs) -> Result<Removed, Error> {
        let (api, retry) = self.connect(server)?;
        let answer = match sent_as {
            SentAs::Chunks => until_final!(retry, api.delete(id, owner)),
            SentAs::Legacy => until_final!(retry, api.legacy_delete(id, owner)),
        };
        match answer.map_err(|error| owner_error(error, &api)) {
            Ok(DeleteStatus::Deleted) => Ok(Removed::Deleted),
            Ok(DeleteStatus::AlreadyDeleted) | Err(Error::NotFound | Error::Deleted | Error::Expired) => {
                Ok(Removed::AlreadyGone)
            }
            Err(error) => Err(error),
        }
    }

    /// Plain http was agreed to when the transfer was sent there.
    fn connect(&self, server: &str) -> Result<(Api, Retry), Error> {
        let api = Api::new(Server::parse(server, true)?)?;
        Ok((api, Retry::new(self.policy, self.ambient.clone(), Arc::clone(&self.progress))))
    }
}

fn owner_error(error: CallError, api: &Api) -> Error {
    error.into_error(api.server().base(), Role::Owner)
}

impl From<SentRecord> for SentTransfer {
    fn from(record: SentRecord) -> Self {
        Self {
            transfer_id: record.transfer_id,
            server: record.server,
            name: record.name,
            file_size: record.file_size,
            sent_at: record.sent_at,
            expires_at: record.expires_at,
            max_downloads: record.max_downloads,
            is_legacy: record.sent_as == SentAs::Legacy,
        }
    }
}

impl From<crate::resume::Unfinished> for UnfinishedUpload {
    fn from(unfinished: crate::resume::Unfinished) -> Self {
        let crate::resume::Unfinished {
            transfer_id,
            server,
            can_go_on,
            name,
            file_size,
            total_chunks,
            sealed_chunks,
            in_use,
            begun_at,
        } = unfinished;
        Self { transfer_id, server, can_go_on, name, file_size, total_chunks, sealed_chunks, in_use, begun_at }
    }
}
