//! The JSON bodies of the HTTP API, field by field as they travel (docs/API.md).

use std::fmt;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::Base64Url;
pub use crate::encryption::{AadFormat, Algorithm, Encryption, Kdf, TagLength};
use crate::id::{TokenHash, TransferId};
use crate::kind::{KindMembers, MixedKind, TransferKind};
use crate::layout::{ChunkLayout, LayoutError};
use crate::limit::{KEY_CHECK_BYTES, MAX_SEALED_METADATA_BYTES, MIN_SEALED_METADATA_BYTES};
use crate::number::{ByteLen, ChunkCount, ChunkIndex};
pub use crate::offer::{RequestRate, ServerConfig};
use crate::shape::object_only;

mod lease;

pub use lease::{LeaseEnd, LeaseEndResponse, LeaseResponse};

object_only!(CreateRequest, UpdateRequest, CompleteRequest, Manifest);

/// Body of POST create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CreateRequest {
    /// The id; a FULL transfer brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<TransferId>,
    /// max(1, ceil(file_size / chunk_size)).
    pub total_chunks: ChunkCount,
    /// Bytes of plaintext in every chunk but the last.
    pub chunk_size: ByteLen,
    /// Bytes of plaintext in all.
    pub file_size: ByteLen,
    /// How the chunks are sealed.
    pub encryption: Encryption,
    /// 28 bytes to 1 MiB; here or with complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_metadata: Option<Base64Url>,
    /// 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_check: Option<Base64Url>,
    /// Exactly when the link's key mode has a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kdf: Option<Kdf>,
    /// Lifetime in seconds, counted from complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<ByteLen>,
    /// A moment instead of a lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// 0 or absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<ByteLen>,
    /// Hash of the owner token; `delete_auth_hash` is its legacy name.
    #[serde(default, alias = "delete_auth_hash", skip_serializing_if = "Option::is_none")]
    pub owner_token_hash: Option<TokenHash>,
    /// Hash of the download token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_token_hash: Option<TokenHash>,
}

/// Why a create request contradicts itself. Carries no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The numbers do not describe one transfer.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Neither FULL nor SEED.
    #[error(transparent)]
    Kind(#[from] MixedKind),
    /// Two ways to say when it ends.
    #[error("give expires_in_seconds or expires_at, not both")]
    TwoExpiries,
    /// sealed_metadata out of range.
    #[error("sealed_metadata must be from {MIN_SEALED_METADATA_BYTES} bytes to {MAX_SEALED_METADATA_BYTES} bytes")]
    SealedMetadataSize,
    /// key_check of another length.
    #[error("key_check must be {KEY_CHECK_BYTES} bytes")]
    KeyCheckSize,
}

impl CreateRequest {
    /// Checks that the members describe one FULL or one SEED transfer.
    ///
    /// Does not look at the server's own limits.
    ///
    /// # Errors
    /// [`CreateError`] names the first contradiction.
    pub fn check(&self) -> Result<(TransferKind, ChunkLayout), CreateError> {
        let layout = ChunkLayout::check(self.file_size, self.chunk_size.get(), self.total_chunks)?;
        let kind = KindMembers {
            transfer_id: self.transfer_id,
            iv_strategy: self.encryption.iv_strategy,
            chunk_size: self.chunk_size.get(),
            sealed_metadata: self.sealed_metadata.is_some(),
            key_check: self.key_check.is_some(),
            kdf: self.kdf.is_some(),
        }
        .classify()?;
        if kind == TransferKind::Full && (self.owner_token_hash.is_none() || self.download_token_hash.is_none()) {
            return Err(MixedKind::TokenHashMissing.into());
        }
        if self.expires_in_seconds.is_some() && self.expires_at.is_some() {
            return Err(CreateError::TwoExpiries);
        }
        if self.key_check.as_ref().is_some_and(|check| check.0.len() != KEY_CHECK_BYTES) {
            return Err(CreateError::KeyCheckSize);
        }
        if let Some(sealed) = &self.sealed_metadata {
            check_sealed_metadata(sealed)?;
        }
        Ok((kind, layout))
    }
}

/// Checks the length of sealed metadata.
///
/// # Errors
/// [`CreateError::SealedMetadataSize`].
pub fn check_sealed_metadata(sealed: &Base64Url) -> Result<(), CreateError> {
    let range = MIN_SEALED_METADATA_BYTES..=MAX_SEALED_METADATA_BYTES;
    if range.contains(&sealed.0.len()) { Ok(()) } else { Err(CreateError::SealedMetadataSize) }
}

/// Answer to POST create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateResponse {
    /// The id, as asked for or as made by the server.
    pub transfer_id: TransferId,
    /// Path below which the chunks go: `{upload_url}/chunk/{n}`.
    pub upload_url: String,
    /// Path of the manifest.
    pub manifest_url: String,
    /// When the transfer ends; null while that counts from complete.
    pub expires_at: Option<Timestamp>,
    /// When the upload ends if no further chunk arrives.
    pub upload_expires_at: Timestamp,
}

/// Answer to PUT chunk: 201 and `stored`, or 200 and `already_stored`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChunkResponse {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The chunk.
    pub chunk_index: ChunkIndex,
    /// Sealed bytes that are stored.
    pub size: ByteLen,
    /// BLAKE3 of the body as the server received it, 64 lowercase hex digits.
    pub blake3: String,
    /// Whether this request stored the bytes or found them.
    pub status: ChunkStatus,
}

/// What a PUT of a chunk did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChunkStatus {
    /// This request stored the chunk.
    Stored,
    /// The same bytes were there.
    AlreadyStored,
}

/// The states that a client sees; what is deleted or expired answers 410 instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Chunks are still arriving.
    Pending,
    /// Frozen and readable.
    Completed,
    /// Every download of its limit is spent; those under way are served on.
    Exhausted,
}

/// Answer to GET upload/{id} and to PATCH upload/{id}.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UploadStatus {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its state.
    pub state: TransferState,
    /// Chunks in all.
    pub total_chunks: ChunkCount,
    /// Chunks that are stored.
    pub stored_chunks: u32,
    /// Sealed bytes that are stored.
    pub stored_bytes: ByteLen,
    /// Inclusive ranges of indices that are not stored, the first 1000.
    pub missing: Vec<[u32; 2]>,
    /// Whether more ranges are missing than `missing` lists.
    pub more: bool,
    /// 0: no limit.
    pub max_downloads: u64,
    /// When the transfer ends; null while that counts from complete.
    pub expires_at: Option<Timestamp>,
    /// When the upload ends if no further chunk arrives.
    pub upload_expires_at: Timestamp,
}

/// Body of PATCH upload/{id}.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct UpdateRequest {
    /// Lifetime in seconds: from complete while pending, from now afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<ByteLen>,
    /// A moment instead of a lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<ByteLen>,
}

/// Body of POST complete; an empty body is the same as `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CompleteRequest {
    /// If create did not bring it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_metadata: Option<Base64Url>,
}

/// Answer to POST complete: the legacy fields, then ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteResponse {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Path of the legacy download page.
    pub download_url: String,
    /// What the server keeps, what it cannot read, what it never had.
    pub transparency: Transparency,
    /// Path of the manifest.
    pub manifest_url: String,
    /// When the manifest was frozen.
    pub completed_at: Timestamp,
    /// When the transfer ends.
    pub expires_at: Timestamp,
}

/// The legacy system's statement of what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Transparency {
    /// SHA-256 of nothing: no address is kept.
    pub ip: String,
    /// created_at.
    pub timestamp: Timestamp,
    /// file_size.
    pub file_size_bytes: ByteLen,
    /// Names of what is stored in clear.
    pub stored_fields: Vec<String>,
    /// Names of what is stored sealed.
    pub encrypted: Vec<String>,
    /// Names of what the server never has.
    pub not_stored: Vec<String>,
}

/// Answer to GET manifest/{id}: what the server says of a transfer's chunks. Readers trust none of it unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
pub struct Manifest {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Chunks in all.
    pub total_chunks: ChunkCount,
    /// Bytes of plaintext in every chunk but the last.
    pub chunk_size: ByteLen,
    /// Bytes of plaintext in all.
    pub file_size: ByteLen,
    /// Bytes of plaintext in the last chunk.
    pub last_chunk_size: ByteLen,
    /// How the chunks were sealed.
    pub encryption: Encryption,
    /// FULL only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_metadata: Option<Base64Url>,
    /// FULL only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_check: Option<Base64Url>,
    /// FULL with a passphrase only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kdf: Option<Kdf>,
    /// When create was called.
    pub created_at: Timestamp,
    /// When complete was called.
    pub completed_at: Timestamp,
    /// When reads stop.
    pub expires_at: Timestamp,
}

/// Answer to GET info/{id}: needs no token, holds nothing sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Info {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its state.
    pub status: TransferState,
    /// file_size.
    pub file_size_bytes: ByteLen,
    /// Empty for chunked transfers: their type is sealed.
    pub content_type_hint: String,
    /// When create was called.
    pub created_at: Timestamp,
    /// Downloads counted so far.
    pub download_count: u64,
    /// 0: no limit.
    pub max_downloads: u64,
    /// RFC 3339, or empty while that counts from complete.
    pub expires_at: String,
    /// 0 when there is no limit.
    pub downloads_remaining: u64,
    /// Always false here: an expired transfer answers 410.
    pub is_expired: bool,
    /// FULL, SEED, or a payload without chunks.
    pub format: TransferKind,
    /// Exactly when the link's key mode has a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kdf: Option<Kdf>,
    /// Chunks in all; absent for a payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_chunks: Option<ChunkCount>,
    /// Whether reads need the download token.
    pub needs_download_token: bool,
    /// Whether max_downloads is set.
    pub limited: bool,
}

/// Answer to DELETE delete/{id}.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeleteResponse {
    /// What this request did.
    pub status: DeleteStatus,
    /// The transfer.
    pub transfer_id: TransferId,
}

/// What a DELETE did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeleteStatus {
    /// This request deleted the transfer.
    Deleted,
    /// It was deleted before.
    AlreadyDeleted,
}

#[cfg(test)]
mod tests;
