//! Delete: from the answer on, nothing can be read or written; the bytes follow.

use haulier_wire::TransferId;
use haulier_wire::api::DeleteStatus;

use super::{Token, TransferError, Transfers, access};
use crate::blob::BlobKey;
use crate::metadata::StoredState;

impl Transfers {
    /// Turns a transfer into a tombstone.
    ///
    /// # Errors
    /// [`TransferError::DeleteNotEnabled`] when nobody has an owner token for it; token missing or wrong.
    pub async fn delete(&self, id: TransferId, owner: Option<&Token>) -> Result<DeleteStatus, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        let Some(hash) = &transfer.owner_token_hash else { return Err(TransferError::DeleteNotEnabled) };
        access::check(owner, Some(hash))?;
        if transfer.state == StoredState::Deleted {
            return Ok(DeleteStatus::AlreadyDeleted);
        }
        // First, so that a rebuild from the blob store cannot bring it back.
        self.blobs.remove(BlobKey::Meta(id)).await?;
        if self.metadata.delete(id, self.clock.now()).await? {
            self.sweep_due.notify_one();
            Ok(DeleteStatus::Deleted)
        } else {
            Ok(DeleteStatus::AlreadyDeleted)
        }
    }
}
