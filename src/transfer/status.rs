//! How far an upload has come.

use haulier_wire::api::{TransferState, UploadStatus};
use haulier_wire::limit::MAX_MISSING_RANGES;
use haulier_wire::{ByteLen, ChunkCount, TransferId};

use super::{TransferError, Transfers, Writer, chunks};
use crate::metadata::{Expiry, StoredState, Transfer};
use crate::store::StoreError;

/// Inclusive ranges of indices, and whether there are more.
pub(super) type Missing = (Vec<[u32; 2]>, bool);

impl Transfers {
    /// Tells which chunks are stored and which are missing.
    ///
    /// # Errors
    /// As every owner's route: not found, ended, token missing or wrong.
    pub async fn upload_status(&self, id: TransferId, writer: &Writer) -> Result<UploadStatus, TransferError> {
        let transfer = self.present(id, self.clock.now()).await?;
        self.check_writer(&transfer, writer).await?;
        self.status_of(&transfer).await
    }

    pub(super) async fn status_of(&self, transfer: &Transfer) -> Result<UploadStatus, TransferError> {
        let layout = chunks(transfer)?;
        let (missing, more) = self.missing(transfer).await?;
        Ok(UploadStatus {
            transfer_id: transfer.id,
            state: wire_state(transfer.state),
            total_chunks: ChunkCount::new(layout.total_chunks()).unwrap_or(ChunkCount::MIN),
            stored_chunks: transfer.stored_chunks,
            stored_bytes: ByteLen::new(transfer.stored_bytes).unwrap_or(ByteLen::MAX),
            missing,
            more,
            max_downloads: transfer.max_downloads,
            expires_at: known_end(transfer),
            upload_expires_at: transfer.upload_expires_at,
        })
    }

    pub(super) async fn missing(&self, transfer: &Transfer) -> Result<Missing, StoreError> {
        if transfer.state != StoredState::Pending {
            return Ok((Vec::new(), false));
        }
        let total = transfer.shape.total_chunks();
        let mut missing = self.metadata.missing(transfer.id, total, MAX_MISSING_RANGES + 1).await?;
        let more = missing.len() > MAX_MISSING_RANGES;
        missing.truncate(MAX_MISSING_RANGES);
        Ok((missing, more))
    }
}

pub(super) fn wire_state(state: StoredState) -> TransferState {
    match state {
        StoredState::Pending => TransferState::Pending,
        StoredState::Completed | StoredState::Deleted => TransferState::Completed,
        StoredState::Exhausted => TransferState::Exhausted,
    }
}

/// When the transfer ends, unless that still counts from complete.
pub(super) fn known_end(transfer: &Transfer) -> Option<haulier_wire::Timestamp> {
    match transfer.expiry {
        Expiry::At(at) => Some(at),
        Expiry::AfterComplete(_) => None,
    }
}
