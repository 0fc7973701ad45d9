//! The older system's transfers: one payload, which may come as often as its sender likes until complete freezes it.
//!
//! Each upload is a blob of its own, under a name that nobody had before. So no writer that comes late, however long it
//! was suspended, touches what counts: at the end of its way it finds that it comes too late, and takes its blob away.
//! What a crash leaves of uploads that do not count goes when the transfer is completed, or with the transfer.

mod complete;
mod create;
mod under_way;
mod upload;

use futures::TryStreamExt as _;
use haulier_wire::TransferId;

use super::state::{self, Liveness};
use super::{TransferError, Transfers};
use crate::blob::BlobKey;
use crate::metadata::{PayloadUpload, StoredState, Transfer};
use crate::store::{StoreError, UploadId};

pub(super) use under_way::UnderWay;
pub use upload::{Json, PayloadBody};

impl Transfers {
    /// Whether there is such a transfer and it has a payload instead of chunks.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_payload(&self, id: TransferId) -> Result<bool, StoreError> {
        // No other id has one, and most need no look.
        let is_possible = id.is_legacy();
        Ok(is_possible && self.metadata.transfer(id).await?.is_some_and(|transfer| transfer.shape.payload().is_some()))
    }

    /// Finds a pending transfer that takes a payload.
    async fn takes_payload(&self, id: TransferId) -> Result<Transfer, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        let is_pending = state::liveness(&transfer, self.clock.now()) == Liveness::Pending;
        if is_pending && transfer.shape.payload().is_some() { Ok(transfer) } else { Err(TransferError::NotPending) }
    }

    pub(super) fn new_upload(&self) -> UploadId {
        let bytes = self.entropy.bytes();
        UploadId::from_random_bytes(std::array::from_fn(|place| bytes[place]))
    }

    /// Removes an upload that does not count and never will. What cannot be removed goes with its transfer.
    pub(super) async fn forget_upload(&self, id: TransferId, upload: UploadId) {
        if let Err(error) = self.blobs.remove(BlobKey::Payload(id, upload)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(transfer.id = %id, error, "an upload that does not count stays until its transfer ends");
        }
    }

    /// The same for an upload that found its transfer closed: the sweeper may have been there and not look again.
    async fn forget_late_upload(&self, id: TransferId, upload: UploadId) -> Result<(), StoreError> {
        let row = self.metadata.transfer(id).await?;
        if row.is_none_or(|row| row.state == StoredState::Deleted) {
            return self.blobs.remove_transfer(id).await;
        }
        self.forget_upload(id, upload).await;
        Ok(())
    }

    /// Removes what was uploaded beside the upload that complete has frozen.
    pub(super) async fn forget_other_uploads(&self, id: TransferId, frozen: PayloadUpload) {
        let mut listed = self.blobs.blobs_of(id);
        let removed = async {
            while let Some(listed) = listed.try_next().await? {
                match BlobKey::from_name(id, &listed.name) {
                    Some(BlobKey::Payload(_, upload)) if upload != frozen.id => self.forget_upload(id, upload).await,
                    _ => {}
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = removed.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(transfer.id = %id, error, "uploads that do not count may stay until their transfer ends");
        }
    }
}
