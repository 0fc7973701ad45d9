//! meta.json: what is needed to rebuild a completed transfer's row from the blob store alone.

use bytes::Bytes;
use futures::TryStreamExt as _;
use haulier_wire::api::{CreateError, CreateRequest, Encryption, Kdf};
use haulier_wire::encoding::{Base64Url, from_hex, to_hex};
use haulier_wire::kind::{IvStrategy, MixedKind};
use haulier_wire::limit::MAX_JSON_BODY_BYTES;
use haulier_wire::{ByteLen, ChunkCount, Timestamp, TokenHash, TransferId, TransferKind};
use serde::{Deserialize, Serialize};

use super::status::known_end;
use super::{TransferError, Transfers};
use crate::blob::BlobKey;
use crate::metadata::{Digest, Expiry, Shape, StoredState, Transfer};
use crate::store::StoreError;

mod payload;

use payload::SavedPayload;

/// The version of the shape of transfers of chunks.
const VERSION: u32 = 1;
/// The version of the shape of payloads, which programs that know only chunks must not believe.
const PAYLOAD_VERSION: u32 = 2;
/// How often it is written for one change: whoever changes the row meanwhile writes it, too.
const MOST_SAVES: u32 = 8;

impl Transfers {
    /// Writes meta.json, from which the row can be rebuilt.
    pub(super) async fn save(&self, transfer: &Transfer) -> Result<(), StoreError> {
        let sealed = self.metadata.sealed_metadata(transfer.id).await?;
        let saved = serde_json::to_vec(&Saved::new(transfer, sealed)).map_err(StoreError::internal)?;
        self.blobs.put(BlobKey::Meta(transfer.id), Bytes::from(saved)).await
    }

    /// Writes meta.json until it says what the row says: another change may have come in between, and been written first.
    pub(super) async fn save_latest(&self, mut transfer: Transfer, now: Timestamp) -> Result<Transfer, TransferError> {
        for _ in 0..MOST_SAVES {
            let saved = self.save(&transfer).await;
            let latest = match self.present(transfer.id, now).await {
                Ok(swept) if swept.is_swept => Err(TransferError::Exhausted),
                found => found,
            };
            let latest = match latest {
                Ok(latest) => latest,
                // Nothing is known of it, least of all that it is gone.
                Err(error @ TransferError::Store(_)) => return Err(error),
                Err(gone) => {
                    // Deleted, and perhaps swept under our hands: nothing must stay that a rebuild would bring back.
                    self.clean_up_after(transfer.id, &gone).await?;
                    return Err(gone);
                }
            };
            saved?;
            if is_saved(&latest, &transfer) {
                return Ok(latest);
            }
            transfer = latest;
        }
        tracing::warn!(transfer.id = %transfer.id, "meta.json is behind: its transfer changes faster than it is written");
        Ok(transfer)
    }

    /// Reads a transfer's meta.json; `None` when there is none.
    pub(super) async fn saved(&self, id: TransferId) -> Result<Option<Result<Saved, Unreadable>>, StoreError> {
        let key = BlobKey::Meta(id);
        let Some(len) = self.blobs.len(key).await? else { return Ok(None) };
        if len > MAX_JSON_BODY_BYTES as u64 {
            return Ok(Some(Err(Unreadable::Shape)));
        }
        // Replaced by a shorter one meanwhile, or removed: whoever asks looks again.
        let Some(bytes) = self.blobs.read(key, 0..len).await? else { return Ok(None) };
        let pieces: Vec<Bytes> = bytes.into_stream().try_collect().await?;
        Ok(Some(Saved::parse(&pieces.concat(), id)))
    }
}

/// Whether what was saved of `saved` holds for `latest`. Downloads without a limit are counted and not saved each time.
fn is_saved(latest: &Transfer, saved: &Transfer) -> bool {
    let limits = |row: &Transfer| (row.expiry, row.max_downloads);
    let counts = |row: &Transfer| (row.max_downloads > 0).then_some(row.download_count);
    limits(latest) == limits(saved) && counts(latest) == counts(saved)
}

/// Why a meta.json is not believed. Carries nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Holds what this program does not know.
    #[error("it was written by a newer version of this program")]
    Newer,
    /// Damaged, cut off, or edited.
    #[error("it is not what this program writes")]
    Shape,
    /// Moved to another folder.
    #[error("it is of another transfer")]
    OtherId,
    /// Its members describe no transfer.
    #[error("it contradicts itself: {0}")]
    Contradiction(#[from] CreateError),
}

/// One transfer as meta.json holds it; hashes of tokens only.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<SavedPayload>,
}

impl Saved {
    pub(super) fn new(transfer: &Transfer, sealed_metadata: Option<Vec<u8>>) -> Self {
        Self {
            v: if transfer.kind == TransferKind::Payload { PAYLOAD_VERSION } else { VERSION },
            transfer_id: transfer.id,
            kind: transfer.kind,
            create_digest: to_hex(&transfer.create_digest),
            file_size: transfer.shape.file_size(),
            chunk_size: transfer.shape.chunk_size(),
            total_chunks: transfer.shape.total_chunks(),
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
            payload: SavedPayload::new(transfer),
        }
    }

    /// Reads the meta.json of transfer `id`: exactly what [`Saved::new`] writes, and nothing else.
    ///
    /// A member that is absent must not read as null: without its token hash a transfer would be open to everybody.
    pub(super) fn parse(bytes: &[u8], id: TransferId) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u32,
        }
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(|_| Unreadable::Shape)?;
        if versioned.v > PAYLOAD_VERSION {
            return Err(Unreadable::Newer);
        }
        let saved: Self = serde_json::from_slice(bytes).map_err(|_| Unreadable::Shape)?;
        if serde_json::to_vec(&saved).ok().as_deref() != Some(bytes) {
            return Err(Unreadable::Shape);
        }
        let expected = if saved.kind == TransferKind::Payload { PAYLOAD_VERSION } else { VERSION };
        if saved.v != expected || saved.payload.is_some() != (saved.kind == TransferKind::Payload) {
            return Err(Unreadable::Shape);
        }
        if saved.transfer_id != id {
            return Err(Unreadable::OtherId);
        }
        saved.transfer()?;
        Ok(saved)
    }

    /// The completed row that was saved.
    pub(super) fn transfer(&self) -> Result<Transfer, Unreadable> {
        let create_digest: Option<Digest> = from_hex(&self.create_digest).and_then(|digest| digest.try_into().ok());
        let create_digest = create_digest.ok_or(Unreadable::Shape)?;
        let completed_at = self.completed_at.ok_or(Unreadable::Shape)?;
        let iv_strategy = match self.kind {
            TransferKind::Full => IvStrategy::PrefixCounter,
            TransferKind::Seed => IvStrategy::Counter,
            TransferKind::Payload => return self.payload_transfer(create_digest, completed_at),
        };
        // The rules of create hold for what was created.
        let request = CreateRequest {
            transfer_id: Some(self.transfer_id),
            total_chunks: ChunkCount::new(self.total_chunks).ok_or(Unreadable::Shape)?,
            chunk_size: ByteLen::new(self.chunk_size.into()).ok_or(Unreadable::Shape)?,
            file_size: ByteLen::new(self.file_size).ok_or(Unreadable::Shape)?,
            encryption: Encryption::v1(iv_strategy),
            sealed_metadata: self.sealed_metadata.clone(),
            key_check: self.key_check.clone(),
            kdf: self.kdf.clone(),
            expires_in_seconds: None,
            expires_at: self.expires_at,
            max_downloads: None,
            owner_token_hash: self.owner_token_hash.clone(),
            download_token_hash: self.download_token_hash.clone(),
        };
        let (kind, layout) = request.check()?;
        if kind == TransferKind::Full && self.sealed_metadata.is_none() {
            return Err(CreateError::from(MixedKind::SealedMetadataMissing).into());
        }
        Ok(Transfer {
            id: self.transfer_id,
            kind,
            state: self.state(),
            create_digest,
            shape: Shape::Chunks(layout),
            stored_chunks: layout.total_chunks(),
            stored_bytes: layout.sealed_size(),
            key_check: self.key_check.as_ref().map(|check| check.0.clone()),
            kdf_salt: self.kdf.as_ref().map(|kdf| kdf.salt),
            owner_token_hash: self.owner_token_hash.clone(),
            download_token_hash: self.download_token_hash.clone(),
            max_downloads: self.max_downloads,
            download_count: self.download_count,
            held: self.download_count,
            abandoned_bytes: 0,
            created_at: self.created_at,
            upload_expires_at: completed_at,
            expiry: Expiry::At(self.expires_at.ok_or(Unreadable::Shape)?),
            completed_at: Some(completed_at),
            is_swept: false,
        })
    }

    /// A transfer whose downloads are all spent never comes back to be read.
    fn state(&self) -> StoredState {
        let is_exhausted = self.max_downloads > 0 && self.download_count >= self.max_downloads;
        if is_exhausted { StoredState::Exhausted } else { StoredState::Completed }
    }

    /// The sealed metadata that was saved.
    pub(super) fn sealed_metadata(&self) -> Option<Vec<u8>> {
        self.sealed_metadata.as_ref().map(|sealed| sealed.0.clone())
    }

    /// Whether a rebuild from this would give that row, but for downloads that were counted after the first `least`.
    pub(super) fn says_what(&self, row: &Transfer, sealed_metadata: Option<Vec<u8>>, least: u64) -> bool {
        let expected = Self { download_count: self.download_count, ..Self::new(row, sealed_metadata) };
        *self == expected && self.download_count >= least
    }
}

#[cfg(test)]
mod tests;
