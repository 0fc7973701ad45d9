//! The part of meta.json that only payloads have.

use haulier_wire::encoding::{from_hex, to_hex};
use haulier_wire::{ByteLen, Timestamp, TransferKind};
use serde::{Deserialize, Serialize};

use super::{Saved, Unreadable};
use crate::metadata::{Digest, Expiry, Payload, PayloadUpload, Shape, Transfer};

/// A payload and the upload that complete has frozen.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedPayload {
    /// Names its blob.
    upload: String,
    len: u64,
    blake3: String,
    content_type_hint: String,
    auto_delete: bool,
}

impl SavedPayload {
    pub(super) fn new(transfer: &Transfer) -> Option<Self> {
        let payload = transfer.shape.payload()?;
        let upload = payload.upload?;
        Some(Self {
            upload: upload.id.to_string(),
            len: upload.len,
            blake3: to_hex(&upload.blake3),
            content_type_hint: payload.content_type_hint.clone(),
            auto_delete: payload.auto_delete,
        })
    }

    fn payload(&self, file_size: u64) -> Option<Payload> {
        let blake3: Digest = from_hex(&self.blake3)?.try_into().ok()?;
        ByteLen::new(self.len).zip(ByteLen::new(file_size))?;
        let upload = PayloadUpload { id: self.upload.parse().ok()?, len: self.len, blake3 };
        Some(Payload {
            file_size,
            content_type_hint: self.content_type_hint.clone(),
            auto_delete: self.auto_delete,
            upload: Some(upload),
        })
    }
}

impl Saved {
    /// The completed row of a payload; nothing in it may say that there are chunks.
    pub(super) fn payload_transfer(
        &self,
        create_digest: Digest,
        completed_at: Timestamp,
    ) -> Result<Transfer, Unreadable> {
        let payload = self.payload.as_ref().and_then(|saved| saved.payload(self.file_size));
        let payload = payload.ok_or(Unreadable::Shape)?;
        let has_chunks = (self.chunk_size, self.total_chunks) != (0, 0);
        let is_sealed = self.sealed_metadata.is_some() || self.key_check.is_some() || self.kdf.is_some();
        if has_chunks || is_sealed || !self.transfer_id.is_legacy() {
            return Err(Unreadable::Shape);
        }
        Ok(Transfer {
            id: self.transfer_id,
            kind: TransferKind::Payload,
            state: self.state(),
            create_digest,
            stored_chunks: 0,
            stored_bytes: payload.upload.map_or(0, |upload| upload.len),
            shape: Shape::Payload(payload),
            key_check: None,
            kdf_salt: None,
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
}
