//! Opaque bytes under keys: the trait that the disk and the object stores implement.
//!
//! A blob becomes visible whole or not at all. What is staged and never published is garbage that the store removes.

#[cfg(test)]
mod contract;
pub mod disk;
mod file;
pub mod foreign;
pub mod metered;
pub mod s3;
#[cfg(test)]
pub(crate) mod troubled;

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};

use crate::store::{BufferUse, StoreError, UploadId};

pub use file::FilePart;

/// Names one blob, and owns every path in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobKey {
    /// One sealed chunk.
    Chunk(TransferId, ChunkIndex),
    /// One upload of the older system's one blob; at most one of a transfer's counts.
    Payload(TransferId, UploadId),
    /// What is needed to rebuild the transfer's row.
    Meta(TransferId),
}

/// How long a blob will be, as far as that is known when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// So many bytes.
    Exactly(u64),
    /// Nobody has said it; no more than so many bytes.
    AtMost(u64),
}

impl Expected {
    /// Fails when more bytes have come than it allows: whoever stages has not counted.
    fn check_some(self, received: u64) -> Result<(), StoreError> {
        let (Self::Exactly(most) | Self::AtMost(most)) = self;
        if received > most {
            return Err(StoreError::internal(anyhow::anyhow!("more bytes than were announced")));
        }
        Ok(())
    }

    /// Fails when these cannot be all bytes.
    fn check_all(self, received: u64) -> Result<(), StoreError> {
        if matches!(self, Self::Exactly(len) if received < len) {
            return Err(StoreError::internal(anyhow::anyhow!("fewer bytes than were announced")));
        }
        Ok(())
    }
}

impl BlobKey {
    /// The transfer that the blob belongs to.
    #[must_use]
    pub fn transfer_id(&self) -> TransferId {
        match self {
            Self::Chunk(id, _) | Self::Payload(id, _) | Self::Meta(id) => *id,
        }
    }

    /// Reads the name of a blob below its transfer's folder; `None` for a name that no key has.
    #[must_use]
    pub fn from_name(id: TransferId, name: &str) -> Option<Self> {
        match name.split_once('/') {
            None => (name == "meta.json").then_some(Self::Meta(id)),
            Some(("chunks", index)) => Some(Self::Chunk(id, index.parse().ok()?)),
            Some(("payloads", upload)) => Some(Self::Payload(id, upload.parse().ok()?)),
            Some(_) => None,
        }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk(id, index) => write!(f, "transfers/{id}/chunks/{index}"),
            Self::Payload(id, upload) => write!(f, "transfers/{id}/payloads/{upload}"),
            Self::Meta(id) => write!(f, "transfers/{id}/meta.json"),
        }
    }
}

/// One thing that lies in a transfer's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the folder, such as `chunks/7`; [`BlobKey::from_name`] says whether it is one of ours.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was written.
    pub modified: Timestamp,
}

/// Bytes of a blob on their way out, in order. An error in the stream means that the rest will not come.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// What a blob reads as. Whoever does not send files takes the stream.
pub enum Content {
    /// Bytes that come from elsewhere.
    Stream(ByteStream),
    /// A part of a file of this machine.
    File(FilePart),
}

impl Content {
    /// The bytes, piece by piece.
    #[must_use]
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Stream(stream) => stream,
            Self::File(part) => part.into_stream(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(_) => f.write_str("Stream(..)"),
            Self::File(part) => f.debug_tuple("File").field(part).finish(),
        }
    }
}

/// Stores blobs.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync {
    /// Begins a blob. Nobody sees it before [`StagedBlob::publish`].
    ///
    /// Of two writers of one key at once, one wins whole; which, the store may not know itself. Whoever minds lets one
    /// publish alone, as reservations do for chunks.
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError>;

    /// Most bytes of a blob that is staged as [`Expected::AtMost`].
    fn most_unannounced(&self) -> u64;

    /// Writes a small blob whole, over whatever was there; durable when it returns.
    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError>;

    /// The length of a blob; `None` when it is not there.
    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError>;

    /// Reads `range` of a blob; `None` when the blob is not there or is shorter than `range` asks for.
    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError>;

    /// Removes one blob; nothing happens when it is not there.
    async fn remove(&self, key: BlobKey) -> Result<(), StoreError>;

    /// Removes every blob of a transfer, its meta.json first, and what was staged of its payloads; nothing happens when
    /// there is none.
    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError>;

    /// Removes what was staged by processes that have died, where that is not gone by itself: all to which nothing has
    /// come since `before`. Returns how many that were.
    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Lists the names of all folders of transfers, in any order, foreign names among them.
    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>>;

    /// Lists all that lies in a transfer's folder, in any order, foreign names among it; nothing when there is none.
    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>>;

    /// Tells whether the store can be reached.
    async fn probe(&self) -> Result<(), StoreError>;

    /// The memory that bodies on their way take here, beyond what each request has: nothing in a store that streams.
    fn buffer(&self) -> BufferUse;
}

/// A blob that is being written. Dropped without [`StagedBlob::publish`], it leaves nothing that anyone sees.
#[async_trait]
pub trait StagedBlob: Send {
    /// Appends bytes. May return before they are written; a failure then comes with a later call.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Waits until all bytes are as durable as they can be before the blob has its name.
    async fn finish(&mut self) -> Result<(), StoreError>;

    /// Gives the blob its name, over whatever was there; whole and durable when it returns. Call `finish` first.
    async fn publish(self: Box<Self>) -> Result<(), StoreError>;
}
