//! Complete: freezes a transfer once every chunk is there.

use haulier_wire::api::{CompleteRequest, CompleteResponse, Transparency, check_sealed_metadata};
use haulier_wire::legacy::PayloadCompleted;
use haulier_wire::{ByteLen, Timestamp, TransferId, TransferKind};

use super::state::{self, Liveness};
use super::{TransferError, Transfers, Writer};
use crate::metadata::{Expiry, SetOnce, StoredState, Transfer};
use crate::store::StoreError;

/// SHA-256 of nothing: what the legacy answer's `ip` holds where no address is kept.
pub(super) const NO_ADDRESS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What complete answers.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Completed {
    /// For a transfer of chunks.
    Chunks(CompleteResponse),
    /// For a payload.
    Payload(PayloadCompleted),
}

impl Transfers {
    /// Freezes a transfer, or answers again as it did before.
    ///
    /// # Errors
    /// [`TransferError::ChunksMissing`] while chunks are missing; [`TransferError::SealedMetadataConflict`] when the
    /// sealed metadata is absent or another was set; [`TransferError::PayloadMissing`].
    pub async fn complete(
        &self,
        id: TransferId,
        writer: &Writer,
        request: &CompleteRequest,
    ) -> Result<Completed, TransferError> {
        let now = self.clock.now();
        let transfer = self.present(id, now).await?;
        self.check_writer(&transfer, writer).await?;
        if transfer.shape.payload().is_some() {
            return self.complete_payload(transfer, now).await.map(Completed::Payload);
        }
        self.complete_chunks(transfer, request, now).await.map(Completed::Chunks)
    }

    async fn complete_chunks(
        &self,
        mut transfer: Transfer,
        request: &CompleteRequest,
        now: Timestamp,
    ) -> Result<CompleteResponse, TransferError> {
        let id = transfer.id;
        self.settle_sealed_metadata(&transfer, request).await?;
        if matches!(transfer.state, StoredState::Completed | StoredState::Exhausted) {
            return response(&transfer);
        }
        let (missing, more) = self.missing(&transfer).await?;
        if !missing.is_empty() {
            return Err(TransferError::ChunksMissing { missing, more });
        }
        loop {
            let expires_at = state::expires_at(transfer.expiry, now);
            let frozen = freeze(&transfer, now, expires_at);
            if let Err(error) = self.save(&frozen).await {
                return Err(self.gone_or(id, error).await);
            }
            if self.metadata.complete(id, now, transfer.expiry, expires_at).await? {
                return response(&frozen);
            }
            let found = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
            match state::liveness(&found, now) {
                // The owner moved its end since our look, and was told so: again, with the new one.
                Liveness::Pending if found.expiry != transfer.expiry => transfer = found,
                _ => return self.lost_race(&found, now).await,
            }
        }
    }

    async fn settle_sealed_metadata(
        &self,
        transfer: &Transfer,
        request: &CompleteRequest,
    ) -> Result<(), TransferError> {
        match (transfer.kind, &request.sealed_metadata) {
            (TransferKind::Seed | TransferKind::Payload, None) => Ok(()),
            (TransferKind::Seed | TransferKind::Payload, Some(_)) => Err(TransferError::SealedMetadataSurplus),
            (TransferKind::Full, None) => match self.metadata.sealed_metadata(transfer.id).await? {
                Some(_) => Ok(()),
                None => Err(TransferError::SealedMetadataConflict),
            },
            (TransferKind::Full, Some(sealed)) => {
                check_sealed_metadata(sealed)?;
                match self.metadata.set_sealed_metadata(transfer.id, &sealed.0).await? {
                    SetOnce::New | SetOnce::Same => Ok(()),
                    SetOnce::Conflict => Err(TransferError::SealedMetadataConflict),
                }
            }
        }
    }

    /// Another request completed, deleted or outlived the transfer between our look and our update.
    async fn lost_race(&self, found: &Transfer, now: Timestamp) -> Result<CompleteResponse, TransferError> {
        let id = found.id;
        match state::liveness(found, now) {
            Liveness::Completed | Liveness::Exhausted => {
                // Our meta.json may have overwritten the winner's.
                response(&self.save_latest(found.clone(), now).await?)
            }
            Liveness::Deleted => self.lost(id, TransferError::Deleted).await,
            Liveness::Expired | Liveness::Pending => self.lost(id, TransferError::Expired).await,
        }
    }

    async fn lost(&self, id: TransferId, gone: TransferError) -> Result<CompleteResponse, TransferError> {
        self.clean_up_after(id, &gone).await?;
        Err(gone)
    }
}

fn freeze(transfer: &Transfer, now: Timestamp, expires_at: Timestamp) -> Transfer {
    Transfer {
        state: StoredState::Completed,
        completed_at: Some(now),
        expiry: Expiry::At(expires_at),
        stored_chunks: transfer.shape.total_chunks(),
        stored_bytes: transfer.shape.body_bytes(),
        ..transfer.clone()
    }
}

fn response(transfer: &Transfer) -> Result<CompleteResponse, TransferError> {
    let damaged = || StoreError::internal(anyhow::anyhow!("a completed row without completed_at"));
    let completed_at = transfer.completed_at.ok_or_else(damaged)?;
    let id = transfer.id;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Ok(CompleteResponse {
        transfer_id: id,
        download_url: format!("/d/{id}"),
        transparency: Transparency {
            ip: NO_ADDRESS.to_owned(),
            timestamp: transfer.created_at,
            file_size_bytes: ByteLen::new(transfer.shape.file_size()).unwrap_or(ByteLen::MAX),
            stored_fields: names(&["file_size_bytes", "created_at", "completed_at", "expires_at"]),
            encrypted: names(&["file_name", "file_content"]),
            not_stored: names(&["decryption_key", "raw_ip"]),
        },
        manifest_url: format!("/api/transfers/manifest/{id}"),
        completed_at,
        expires_at: state::expires_at(transfer.expiry, completed_at),
    })
}
