//! The JSON bodies of the older system's routes, field by field as they travel (docs/API.md, "The older system").

use std::fmt;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::Transparency;
use crate::id::{TokenHash, TransferId};
use crate::limit::MAX_CONTENT_TYPE_HINT_BYTES;
use crate::number::ByteLen;
use crate::shape::object_only;

object_only!(PayloadRequest);

/// Body of POST create in the older system: no `total_chunks`, and every member may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct PayloadRequest {
    /// Bytes of plaintext, as the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size_bytes: Option<ByteLen>,
    /// What it is, as the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type_hint: Option<String>,
    /// 12 digits; the server makes some when it is left out or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
    /// 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<ByteLen>,
    /// Whether the bytes go with the last download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_delete: Option<bool>,
    /// RFC 3339 with an offset; empty for the server's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Hash of the token that deletes; empty when nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_auth_hash: Option<String>,
}

/// A [`PayloadRequest`] whose texts are what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPayload {
    /// Bytes of plaintext, as the sender says.
    pub file_size: ByteLen,
    /// What it is, as the sender says.
    pub content_type_hint: String,
    /// 12 digits, if the sender has chosen them.
    pub transfer_id: Option<TransferId>,
    /// 0: no limit.
    pub max_downloads: u64,
    /// Whether the bytes go with the last download.
    pub auto_delete: bool,
    /// When the transfer is to end.
    pub expires_at: Option<Timestamp>,
    /// Hash of the token that deletes.
    pub delete_auth_hash: Option<TokenHash>,
}

/// Why a create request of the older system is refused. Carries no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadRequestError {
    /// Not 12 lowercase hex digits. The older system's own words.
    #[error("Invalid transfer ID format (must be 12 lowercase hex chars)")]
    TransferId,
    /// Not a moment, or a time of day that is nowhere.
    #[error("expires_at must be a date and time with its offset from UTC, such as 2030-01-01T00:00:00+00:00")]
    ExpiresAt,
    /// Not a hash.
    #[error("delete_auth_hash must be 64 lowercase hex digits")]
    DeleteAuthHash,
    /// Too long, or with control characters.
    #[error("content_type_hint must be at most {MAX_CONTENT_TYPE_HINT_BYTES} bytes, without control characters")]
    ContentTypeHint,
}

impl PayloadRequest {
    /// Reads the texts.
    ///
    /// # Errors
    /// [`PayloadRequestError`] names the first that is not what it must be.
    pub fn check(&self) -> Result<CheckedPayload, PayloadRequestError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let content_type_hint = self.content_type_hint.clone().unwrap_or_default();
        if content_type_hint.len() > MAX_CONTENT_TYPE_HINT_BYTES || content_type_hint.contains(char::is_control) {
            return Err(PayloadRequestError::ContentTypeHint);
        }
        let id = given(&self.transfer_id).map(|id| id.parse().ok().filter(TransferId::is_legacy));
        let hash = given(&self.delete_auth_hash).map(|hash| hash.parse());
        Ok(CheckedPayload {
            file_size: self.file_size_bytes.unwrap_or(ByteLen::MIN),
            content_type_hint,
            transfer_id: id.map(|id| id.ok_or(PayloadRequestError::TransferId)).transpose()?,
            max_downloads: self.max_downloads.map_or(0, ByteLen::get),
            auto_delete: self.auto_delete.unwrap_or_default(),
            expires_at: given(&self.expires_at)
                .map(|at| at.parse())
                .transpose()
                .map_err(|_| PayloadRequestError::ExpiresAt)?,
            delete_auth_hash: hash.transpose().map_err(|_| PayloadRequestError::DeleteAuthHash)?,
        })
    }
}

/// Answer to POST create in the older system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PayloadCreated {
    /// The id, as asked for or as made by the server.
    pub transfer_id: TransferId,
    /// Path to which the payload goes.
    pub upload_url: String,
}

/// Answer to POST upload/{id}.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PayloadUploaded {
    /// Always `uploaded`.
    pub status: String,
    /// The transfer.
    pub transfer_id: TransferId,
    /// Bytes that are stored.
    pub size: u64,
}

/// Answer to POST complete/{id} of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PayloadCompleted {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Path of the older system's download page.
    pub download_url: String,
    /// What the server keeps, what it cannot read, what it never had.
    pub transparency: Transparency,
}

#[cfg(test)]
mod tests;
