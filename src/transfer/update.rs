//! Update: the owner changes when a transfer ends, and how often it may be downloaded.

use haulier_wire::api::{UpdateRequest, UploadStatus};
use haulier_wire::{Timestamp, TransferId, api};

use super::{TransferError, Transfers, Writer, state};
use crate::metadata::{Expiry, StoredState};

impl Transfers {
    /// Changes the expiry and the download limit of a transfer that is still there. A limit that is spent already exhausts
    /// it at once, and nothing leads back from there.
    ///
    /// # Errors
    /// [`TransferError::Limit`] for an expiry out of range; [`TransferError::NotChunked`] for a payload;
    /// [`TransferError::DeleteNotEnabled`] where nobody is known to own it; as every owner's route.
    pub async fn update(
        &self,
        id: TransferId,
        writer: &Writer,
        request: &UpdateRequest,
    ) -> Result<UploadStatus, TransferError> {
        let now = self.clock.now();
        let mut transfer = self.live(id, now).await?;
        // The clients of payloads know of no changes, and whoever has a delete token has agreed to nothing else.
        if transfer.shape.payload().is_some() {
            return Err(TransferError::NotChunked);
        }
        self.check_owner(&transfer, writer).await?;
        if request.expires_in_seconds.is_some() && request.expires_at.is_some() {
            return Err(api::CreateError::TwoExpiries.into());
        }
        let asked = state::requested_expiry(&self.limits, request.expires_in_seconds, request.expires_at, now)?;
        if let Some(expiry) = asked {
            // Refused when the transfer was completed, deleted or swept since our look.
            while !self.metadata.set_expiry(id, for_state(expiry, transfer.state, now), now).await? {
                transfer = self.live(id, now).await?;
            }
        }
        if let Some(limit) = request.max_downloads
            && !self.metadata.set_max_downloads(id, limit.get()).await?
        {
            self.live(id, now).await?;
        }
        let transfer = self.present(id, now).await?;
        if transfer.state == StoredState::Pending {
            return self.status_of(&transfer).await;
        }
        let latest = match self.save_latest(transfer.clone(), now).await {
            // This change has spent the limit, and a sweep was faster than we.
            Err(TransferError::Exhausted) => transfer,
            saved => saved?,
        };
        // Not before meta.json is written: it would stay behind the sweep.
        if latest.state == StoredState::Exhausted {
            self.sweep_due.notify_one();
        }
        self.status_of(&latest).await
    }
}

/// What a pending transfer counts from complete, a completed one counts from now.
fn for_state(expiry: Expiry, stored: StoredState, now: Timestamp) -> Expiry {
    match stored {
        StoredState::Completed => Expiry::At(state::expires_at(expiry, now)),
        StoredState::Pending | StoredState::Exhausted | StoredState::Deleted => expiry,
    }
}
