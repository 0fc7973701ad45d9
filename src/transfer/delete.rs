//! Delete: from the answer on, nothing can be read or written; the bytes follow.

use futures::TryStreamExt as _;
use haulier_wire::api::DeleteStatus;
use haulier_wire::{ByteLen, ChunkLayout, Timestamp, TransferId, TransferKind};

use super::{Token, TransferError, Transfers, access};
use crate::blob::BlobKey;
use crate::metadata::{Created, Expiry, NewTransfer, Shape, StoredState, Transfer};
use crate::store::StoreError;

/// The layout of an id that is taken for nothing.
const NO_CHUNK_SIZE: u64 = 64 << 10;

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
        // The older system says so of what went with its last download.
        let went_before = transfer.state == StoredState::Exhausted
            && transfer.shape.payload().is_some_and(|payload| payload.auto_delete);
        if self.metadata.delete(id, self.clock.now()).await? {
            self.sweep_due.notify_one();
            Ok(if went_before { DeleteStatus::AlreadyDeleted } else { DeleteStatus::Deleted })
        } else {
            Ok(DeleteStatus::AlreadyDeleted)
        }
    }

    /// Deletes whatever the owner's token, bytes and all, in the owner's order. Also what has bytes and no row.
    ///
    /// Can be done again when it was interrupted.
    ///
    /// # Errors
    /// [`TransferError::NotFound`] when neither store has anything of it.
    pub async fn delete_as_operator(&self, id: TransferId) -> Result<DeleteStatus, TransferError> {
        let Some(transfer) = self.metadata.transfer(id).await? else {
            if self.blobs.blobs_of(id).try_next().await?.is_none() {
                return Err(TransferError::NotFound);
            }
            return if self.bury(id).await? { Ok(DeleteStatus::Deleted) } else { Err(TransferError::NotFound) };
        };
        self.blobs.remove(BlobKey::Meta(id)).await?;
        let is_new = self.metadata.delete(id, self.clock.now()).await?;
        if !transfer.is_swept {
            self.sweep_one(id).await?;
        }
        Ok(if is_new { DeleteStatus::Deleted } else { DeleteStatus::AlreadyDeleted })
    }

    /// Removes the bytes of an id that has no row, for good; `false` when it has one by now.
    ///
    /// The id is taken first, so that no upload can begin under it between the look and the removal.
    pub(super) async fn bury(&self, id: TransferId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let taken = NewTransfer { transfer: nothing(id, now)?, sealed_metadata: None, charge: None };
        if !matches!(self.metadata.create(&taken).await?, Created::New) {
            return Ok(false);
        }
        self.metadata.delete(id, now).await?;
        self.sweep_one(id).await?;
        Ok(true)
    }
}

/// A row that was over when it began.
fn nothing(id: TransferId, now: Timestamp) -> Result<Transfer, StoreError> {
    Ok(Transfer {
        id,
        kind: TransferKind::Seed,
        state: StoredState::Pending,
        create_digest: [0; 32],
        shape: Shape::Chunks(ChunkLayout::new(ByteLen::MIN, NO_CHUNK_SIZE).map_err(StoreError::internal)?),
        stored_chunks: 0,
        stored_bytes: 0,
        key_check: None,
        kdf_salt: None,
        owner_token_hash: None,
        download_token_hash: None,
        max_downloads: 0,
        download_count: 0,
        held: 0,
        abandoned_bytes: 0,
        created_at: now,
        upload_expires_at: now,
        expiry: Expiry::At(now),
        completed_at: None,
        is_swept: false,
    })
}
