//! What a transfer's bytes are: chunks, or the one payload of the older system.

use haulier_wire::ChunkLayout;

use super::{Digest, Transfer};
use crate::store::UploadId;

/// How a transfer's bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One blob a chunk, cut as this says.
    Chunks(ChunkLayout),
    /// One blob.
    Payload(Payload),
}

/// The one blob of a transfer of the older system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What its sender says that the file has, in bytes; nobody compares it with the blob.
    pub file_size: u64,
    /// What its sender says that it is; for people, and never to be trusted.
    pub content_type_hint: String,
    /// Whether its bytes go once the last of `max_downloads` is over.
    pub auto_delete: bool,
    /// The upload that counts: the last one while pending, frozen by complete; none before the first.
    pub upload: Option<PayloadUpload>,
}

/// One whole upload of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadUpload {
    /// Names its blob.
    pub id: UploadId,
    /// Bytes of the blob.
    pub len: u64,
    /// The identity of these bytes.
    pub blake3: Digest,
}

impl Shape {
    /// Bytes of plaintext that the sender announced.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        match self {
            Self::Chunks(layout) => layout.file_size(),
            Self::Payload(payload) => payload.file_size,
        }
    }

    /// Bytes that a whole download has: all sealed chunks, or the payload; 0 for a payload that was never uploaded.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        match self {
            Self::Chunks(layout) => layout.sealed_size(),
            Self::Payload(payload) => payload.upload.map_or(0, |upload| upload.len),
        }
    }

    /// How many chunks there are; 0 for a payload.
    #[must_use]
    pub fn total_chunks(&self) -> u32 {
        self.chunks().map_or(0, ChunkLayout::total_chunks)
    }

    /// Bytes of plaintext in every chunk but the last; 0 for a payload.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunks().map_or(0, ChunkLayout::chunk_size)
    }

    /// The cut; `None` for a payload.
    #[must_use]
    pub fn chunks(&self) -> Option<&ChunkLayout> {
        match self {
            Self::Chunks(layout) => Some(layout),
            Self::Payload(_) => None,
        }
    }

    /// The payload; `None` where there are chunks.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Chunks(_) => None,
            Self::Payload(payload) => Some(payload),
        }
    }
}

impl Transfer {
    /// The upload that counts, of a payload.
    #[must_use]
    pub fn payload_upload(&self) -> Option<PayloadUpload> {
        self.shape.payload()?.upload
    }
}
