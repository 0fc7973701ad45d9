//! meta.json: what is needed to rebuild a completed transfer's row from the blob store alone.

use bytes::Bytes;
use haulier_wire::api::Kdf;
use haulier_wire::encoding::{Base64Url, to_hex};
use haulier_wire::{Timestamp, TokenHash, TransferId, TransferKind};
use serde::Serialize;

use super::status::known_end;
use super::{TransferError, Transfers};
use crate::blob::BlobKey;
use crate::metadata::Transfer;
use crate::store::StoreError;

impl Transfers {
    /// Writes meta.json, from which the row can be rebuilt.
    pub(super) async fn save(&self, transfer: &Transfer) -> Result<(), StoreError> {
        let sealed = self.metadata.sealed_metadata(transfer.id).await?;
        let saved = serde_json::to_vec(&Saved::new(transfer, sealed)).map_err(StoreError::internal)?;
        self.blobs.put(BlobKey::Meta(transfer.id), Bytes::from(saved)).await
    }

    /// Writes meta.json until it says what the row says: another change may have come in between, and been written first.
    pub(super) async fn save_latest(&self, mut transfer: Transfer, now: Timestamp) -> Result<Transfer, TransferError> {
        loop {
            let saved = self.save(&transfer).await;
            let latest = match self.live(transfer.id, now).await {
                Ok(latest) => latest,
                Err(gone) => {
                    // Deleted, and perhaps swept under our hands: nothing must stay that a rebuild would bring back.
                    self.clean_up_after(transfer.id, &gone).await?;
                    return Err(gone);
                }
            };
            saved?;
            if latest.expiry == transfer.expiry {
                return Ok(latest);
            }
            transfer = latest;
        }
    }
}

/// One transfer as meta.json holds it; hashes of tokens only.
#[derive(Debug, Serialize)]
pub(super) struct Saved {
    /// Grows with every change of this shape.
    v: u32,
    transfer_id: TransferId,
    kind: TransferKind,
    create_digest: String,
    file_size: u64,
    chunk_size: u32,
    total_chunks: u32,
    sealed_metadata: Option<Base64Url>,
    key_check: Option<Base64Url>,
    kdf: Option<Kdf>,
    owner_token_hash: Option<TokenHash>,
    download_token_hash: Option<TokenHash>,
    max_downloads: u64,
    download_count: u64,
    created_at: Timestamp,
    completed_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl Saved {
    pub(super) fn new(transfer: &Transfer, sealed_metadata: Option<Vec<u8>>) -> Self {
        Self {
            v: 1,
            transfer_id: transfer.id,
            kind: transfer.kind,
            create_digest: to_hex(&transfer.create_digest),
            file_size: transfer.layout.file_size(),
            chunk_size: transfer.layout.chunk_size(),
            total_chunks: transfer.layout.total_chunks(),
            sealed_metadata: sealed_metadata.map(Base64Url),
            key_check: transfer.key_check.clone().map(Base64Url),
            kdf: transfer.kdf_salt.map(|salt| Kdf { salt }),
            owner_token_hash: transfer.owner_token_hash.clone(),
            download_token_hash: transfer.download_token_hash.clone(),
            max_downloads: transfer.max_downloads,
            download_count: transfer.download_count,
            created_at: transfer.created_at,
            completed_at: transfer.completed_at,
            expires_at: known_end(transfer),
        }
    }
}
