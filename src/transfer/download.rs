//! Reading: info, manifest, one chunk, or all of them end to end.

use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use haulier_wire::api::{Encryption, Info, Kdf, Manifest};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount, ChunkIndex, ChunkLayout, TransferId, TransferKind};

use super::lease::Terms;
use super::status::{known_end, wire_state};
use super::{Reader, TransferError, Transfers, check_readable, chunks};
use crate::blob::{BlobKey, BlobStore, ByteStream, Content};
use crate::metadata::{Digest, Shape, Transfer};
use crate::store::StoreError;

/// One sealed chunk, found but not read yet.
#[derive(Clone, Copy, Debug)]
pub struct ChunkFound {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The chunk.
    pub index: ChunkIndex,
    /// Sealed bytes.
    pub len: u64,
    /// The identity of its bytes.
    pub blake3: Digest,
    /// When the sender let it be verified.
    pub sha256: Option<Digest>,
    /// What reading it costs.
    pub terms: Terms,
}

/// All sealed chunks end to end, or a payload; found but not read yet.
#[derive(Clone, Debug)]
pub struct WholeFound {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Bytes of plaintext, as its sender says.
    pub file_size: u64,
    /// What reading costs.
    pub terms: Terms,
    shape: Shape,
}

impl WholeFound {
    /// Bytes of all of it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shape.body_bytes()
    }

    /// Whether there is nothing to read: only a payload can be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The identity of the bytes of a payload. What an id names never changes and never comes back: where there are
    /// chunks, the id is the content's identity.
    #[must_use]
    pub fn blake3(&self) -> Option<Digest> {
        self.shape.payload()?.upload.map(|upload| upload.blake3)
    }
}

impl Transfers {
    /// Tells what needs no token.
    ///
    /// # Errors
    /// Not found, deleted, expired.
    pub async fn info(&self, id: TransferId) -> Result<Info, TransferError> {
        let transfer = self.present(id, self.clock.now()).await?;
        Ok(Info {
            transfer_id: id,
            status: wire_state(transfer.state),
            file_size_bytes: ByteLen::new(transfer.shape.file_size()).unwrap_or(ByteLen::MAX),
            content_type_hint: transfer.shape.payload().map(|one| one.content_type_hint.clone()).unwrap_or_default(),
            created_at: transfer.created_at,
            download_count: transfer.download_count,
            max_downloads: transfer.max_downloads,
            expires_at: known_end(&transfer).map(|at| at.to_string()).unwrap_or_default(),
            downloads_remaining: transfer.max_downloads.saturating_sub(transfer.download_count),
            is_expired: false,
            format: transfer.kind,
            kdf: kdf(&transfer),
            total_chunks: ChunkCount::new(transfer.shape.total_chunks()),
            needs_download_token: transfer.download_token_hash.is_some(),
            limited: transfer.max_downloads > 0,
        })
    }

    /// Tells what a reader needs to fetch and open the chunks.
    ///
    /// # Errors
    /// Not found, pending, deleted, expired; token missing or wrong.
    pub async fn manifest(&self, id: TransferId, reader: &Reader) -> Result<Manifest, TransferError> {
        let transfer = self.opened_for(id, reader).await?;
        let layout = chunks(&transfer)?;
        let sealed_metadata = self.metadata.sealed_metadata(id).await?;
        let damaged = || StoreError::internal(anyhow::anyhow!("a completed row without its times"));
        Ok(Manifest {
            transfer_id: id,
            total_chunks: ChunkCount::new(layout.total_chunks()).unwrap_or(ChunkCount::MIN),
            chunk_size: ByteLen::new(layout.chunk_size().into()).unwrap_or(ByteLen::MAX),
            file_size: ByteLen::new(layout.file_size()).unwrap_or(ByteLen::MAX),
            last_chunk_size: ByteLen::new(layout.last_chunk_size().into()).unwrap_or(ByteLen::MAX),
            encryption: Encryption::v1(match transfer.kind {
                TransferKind::Full => IvStrategy::PrefixCounter,
                TransferKind::Seed | TransferKind::Payload => IvStrategy::Counter,
            }),
            sealed_metadata: sealed_metadata.map(Base64Url),
            kdf: kdf(&transfer),
            created_at: transfer.created_at,
            completed_at: transfer.completed_at.ok_or_else(damaged)?,
            expires_at: known_end(&transfer).ok_or_else(damaged)?,
            key_check: transfer.key_check.map(Base64Url),
        })
    }

    /// Finds one chunk.
    ///
    /// # Errors
    /// As [`Transfers::manifest`], and [`TransferError::NoSuchChunk`].
    pub async fn find_chunk(
        &self,
        id: TransferId,
        index: ChunkIndex,
        reader: &Reader,
    ) -> Result<ChunkFound, TransferError> {
        let found = self.metadata.transfer_and_chunk(id, index).await?;
        let (transfer, chunk) = found.ok_or(TransferError::NotFound)?;
        self.check_open(&transfer, reader).await?;
        self.check_reader(&transfer, reader)?;
        let len = chunks(&transfer)?.sealed_len(index).ok_or(TransferError::NoSuchChunk)?;
        let chunk = chunk.ok_or_else(|| missing(BlobKey::Chunk(id, index)))?;
        Ok(ChunkFound {
            transfer_id: id,
            index,
            len,
            blake3: chunk.blake3,
            sha256: chunk.sha256,
            terms: Terms::of(&transfer),
        })
    }

    /// Reads a part of a chunk that was found.
    ///
    /// # Errors
    /// When the store fails or does not have what the row says.
    pub async fn read_chunk(&self, chunk: &ChunkFound, range: Range<u64>) -> Result<Content, TransferError> {
        let key = BlobKey::Chunk(chunk.transfer_id, chunk.index);
        match self.blobs.read(key, range).await? {
            Some(content) => Ok(content),
            // Deleted between our look at the row and our look at the blob, or damage.
            None => self.readable(chunk.transfer_id, self.clock.now()).await.and(Err(missing(key).into())),
        }
    }

    /// Finds all chunks, or the payload.
    ///
    /// # Errors
    /// As [`Transfers::manifest`].
    pub async fn find_whole(&self, id: TransferId, reader: &Reader) -> Result<WholeFound, TransferError> {
        let transfer = self.opened_for(id, reader).await?;
        let terms = Terms::of_whole(&transfer);
        Ok(WholeFound { transfer_id: id, file_size: transfer.shape.file_size(), terms, shape: transfer.shape })
    }

    /// Reads a part of a payload, or of all sealed chunks end to end; a chunk that cannot be read breaks the stream.
    ///
    /// # Errors
    /// When the store fails or does not have what the row says of a payload.
    pub async fn read_whole(&self, whole: &WholeFound, range: Range<u64>) -> Result<Content, TransferError> {
        let id = whole.transfer_id;
        let key = match &whole.shape {
            Shape::Chunks(layout) => return Ok(Content::Stream(self.read_chunks(id, *layout, range))),
            Shape::Payload(payload) => payload.upload.map(|upload| BlobKey::Payload(id, upload.id)),
        };
        let key = key.ok_or_else(|| StoreError::internal(anyhow::anyhow!("a completed payload without an upload")))?;
        match self.blobs.read(key, range).await? {
            Some(content) => Ok(content),
            None => self.readable(id, self.clock.now()).await.and(Err(missing(key).into())),
        }
    }

    fn read_chunks(&self, id: TransferId, layout: ChunkLayout, range: Range<u64>) -> ByteStream {
        let blobs = Arc::clone(&self.blobs);
        stream::iter(pieces(layout, range))
            .then(move |(index, part)| read_piece(Arc::clone(&blobs), BlobKey::Chunk(id, index), part))
            .try_flatten()
            .boxed()
    }

    /// Counts a download without a limit that began. A count that cannot be written must not keep anyone from reading.
    pub async fn count_download(&self, id: TransferId) {
        if let Err(error) = self.metadata.count_download(id).await {
            tracing::warn!(transfer.id = %id, error = &error as &dyn std::error::Error, "a download was not counted");
        }
    }

    /// Finds a transfer that this reader may read.
    pub(super) async fn opened_for(&self, id: TransferId, reader: &Reader) -> Result<Transfer, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        self.check_open(&transfer, reader).await?;
        self.check_reader(&transfer, reader)?;
        Ok(transfer)
    }

    /// Says whether a transfer can be read; an exhausted one by whoever has a lease.
    async fn check_open(&self, transfer: &Transfer, reader: &Reader) -> Result<(), TransferError> {
        match check_readable(transfer, self.clock.now()) {
            Err(TransferError::Exhausted) if !transfer.is_swept && self.has_lease(transfer.id, reader).await? => Ok(()),
            readable => readable,
        }
    }
}

/// Which part of which chunk a range of the whole covers, in order.
fn pieces(layout: ChunkLayout, range: Range<u64>) -> impl Iterator<Item = (ChunkIndex, Range<u64>)> + Send {
    let step = layout.sealed_offset(ChunkIndex::new(1).unwrap_or(ChunkIndex::MIN)).max(1);
    let first = range.start / step;
    let end = range.end.div_ceil(step).min(u64::from(layout.total_chunks()));
    (first..end).filter_map(move |number| {
        let index = ChunkIndex::new(u32::try_from(number).ok()?)?;
        let offset = layout.sealed_offset(index);
        let len = layout.sealed_len(index)?;
        let part = range.start.saturating_sub(offset).min(len)..(range.end - offset).min(len);
        (!part.is_empty()).then_some((index, part))
    })
}

async fn read_piece(blobs: Arc<dyn BlobStore>, key: BlobKey, part: Range<u64>) -> std::io::Result<ByteStream> {
    let found = blobs.read(key, part).await.map_err(std::io::Error::other)?;
    found.map(Content::into_stream).ok_or_else(|| std::io::Error::other(missing(key)))
}

/// A row that points to a blob that is not there: invariant 3 is broken, or the transfer is being swept.
fn missing(key: BlobKey) -> StoreError {
    StoreError::internal(anyhow::anyhow!("the blob {key} is missing or too short"))
}

fn kdf(transfer: &Transfer) -> Option<Kdf> {
    transfer.kdf_salt.map(|salt| Kdf { salt })
}

#[cfg(test)]
mod tests;
