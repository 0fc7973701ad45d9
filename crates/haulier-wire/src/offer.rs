//! What a server offers, and within which limits: the body of /api/config.

use serde::{Deserialize, Serialize};

use crate::number::{ByteLen, ChunkCount};

/// Answer to GET /api/config: what a client must know before it picks a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerConfig {
    /// The server's version.
    pub version: String,
    /// Largest file_size.
    pub max_file_bytes: ByteLen,
    /// Smallest chunk_size of a FULL transfer.
    pub min_chunk_bytes: ByteLen,
    /// Largest chunk_size.
    pub max_chunk_bytes: ByteLen,
    /// Largest total_chunks.
    pub max_total_chunks: ChunkCount,
    /// Lifetime when create names none.
    pub default_expires_in_seconds: u64,
    /// Shortest lifetime.
    pub min_expires_in_seconds: u64,
    /// Longest lifetime.
    pub max_expires_in_seconds: u64,
    /// How long a pending upload lives after its last chunk.
    pub upload_expires_in_seconds: u64,
    /// A request body that pauses for longer is answered 408.
    pub client_timeout_seconds: u64,
    /// Whether create accepts max_downloads > 0.
    pub download_limits: bool,
    /// Whether create needs an access token.
    pub access_token_required: bool,
    /// Most sealed bytes of all transfers together; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_total_bytes: Option<ByteLen>,
    /// What is left of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_bytes: Option<ByteLen>,
    /// Most sealed bytes of one access token's transfers, unless it has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_token_bytes: Option<ByteLen>,
    /// Most uploads that are not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_uploads: Option<u64>,
    /// The same for one access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_token_uploads: Option<u64>,
    /// Most requests of one client address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_rate: Option<RequestRate>,
    /// Most creates with one access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_rate: Option<RequestRate>,
}

/// So many requests within so long, and on average; beyond them 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestRate {
    /// Requests.
    pub requests: u32,
    /// Within so many seconds.
    pub per_seconds: u64,
}
