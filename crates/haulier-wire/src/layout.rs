//! How a transfer's bytes are cut into chunks: all size arithmetic, in one place, for both sides.

use crate::limit::{MAX_CHUNK_SIZE_BYTES, SEALED_OVERHEAD_BYTES, SEED_MIN_CHUNK_SIZE_BYTES};
use crate::number::{ByteLen, ChunkCount, ChunkIndex};

/// Numbers that do not describe one transfer. Carries no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// chunk_size outside 1 KiB to 64 MiB.
    #[error("chunk_size must be from {SEED_MIN_CHUNK_SIZE_BYTES} to {MAX_CHUNK_SIZE_BYTES} bytes")]
    ChunkSize,
    /// More than 2^32 - 1 chunks, or more than 2^53 - 1 sealed bytes.
    #[error("a transfer has at most 2^32 - 1 chunks and 2^53 - 1 sealed bytes")]
    TooManyChunks,
    /// total_chunks is not max(1, ceil(file_size / chunk_size)).
    #[error("total_chunks must be max(1, ceil(file_size / chunk_size))")]
    TotalChunks,
}

/// The cut of a transfer: every chunk but the last holds exactly `chunk_size` bytes of plaintext.
///
/// Cannot be made from numbers that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLayout {
    file_size: u64,
    chunk_size: u32,
    total_chunks: u32,
}

impl ChunkLayout {
    /// Cuts `file_size` bytes of plaintext into chunks of `chunk_size` bytes: max(1, ceil(file_size / chunk_size)) of them.
    ///
    /// # Errors
    /// [`LayoutError::ChunkSize`] and [`LayoutError::TooManyChunks`].
    pub fn new(file_size: ByteLen, chunk_size: u64) -> Result<Self, LayoutError> {
        if !(SEED_MIN_CHUNK_SIZE_BYTES..=MAX_CHUNK_SIZE_BYTES).contains(&chunk_size) {
            return Err(LayoutError::ChunkSize);
        }
        let chunk_size = u32::try_from(chunk_size).map_err(|_| LayoutError::ChunkSize)?;
        let total_chunks = file_size.get().div_ceil(u64::from(chunk_size)).max(1);
        let total_chunks = u32::try_from(total_chunks).map_err(|_| LayoutError::TooManyChunks)?;
        let layout = Self { file_size: file_size.get(), chunk_size, total_chunks };
        if ByteLen::new(layout.sealed_size()).is_none() {
            return Err(LayoutError::TooManyChunks);
        }
        Ok(layout)
    }

    /// Checks three stated numbers against each other.
    ///
    /// # Errors
    /// As [`ChunkLayout::new`], and [`LayoutError::TotalChunks`] when the count does not follow from the sizes.
    pub fn check(file_size: ByteLen, chunk_size: u64, total_chunks: ChunkCount) -> Result<Self, LayoutError> {
        let layout = Self::new(file_size, chunk_size)?;
        if layout.total_chunks == total_chunks.get() { Ok(layout) } else { Err(LayoutError::TotalChunks) }
    }

    /// Bytes of plaintext in all.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Bytes of plaintext in every chunk but the last.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// How many chunks there are, at least 1.
    #[must_use]
    pub fn total_chunks(&self) -> u32 {
        self.total_chunks
    }

    /// Bytes of plaintext in the last chunk: 0 only for an empty file.
    #[must_use]
    pub fn last_chunk_size(&self) -> u32 {
        let before = u64::from(self.total_chunks - 1) * u64::from(self.chunk_size);
        u32::try_from(self.file_size - before).unwrap_or(self.chunk_size)
    }

    /// Whether chunk `index` exists.
    #[must_use]
    pub fn contains(&self, index: ChunkIndex) -> bool {
        index.get() < self.total_chunks
    }

    /// Offset of chunk `index` in the plaintext, in bytes.
    #[must_use]
    pub fn plaintext_offset(&self, index: ChunkIndex) -> u64 {
        u64::from(index.get()) * u64::from(self.chunk_size)
    }

    /// Bytes of plaintext in chunk `index`; `None` when there is no such chunk.
    #[must_use]
    pub fn plaintext_len(&self, index: ChunkIndex) -> Option<u32> {
        match index.get() {
            n if n + 1 < self.total_chunks => Some(self.chunk_size),
            n if n + 1 == self.total_chunks => Some(self.last_chunk_size()),
            _ => None,
        }
    }

    /// Bytes of sealed chunk `index`: plaintext + 28; `None` when there is no such chunk.
    #[must_use]
    pub fn sealed_len(&self, index: ChunkIndex) -> Option<u64> {
        self.plaintext_len(index).map(|len| u64::from(len) + SEALED_OVERHEAD_BYTES)
    }

    /// Offset of sealed chunk `index` in the concatenation of all sealed chunks, in bytes.
    #[must_use]
    pub fn sealed_offset(&self, index: ChunkIndex) -> u64 {
        u64::from(index.get()) * (u64::from(self.chunk_size) + SEALED_OVERHEAD_BYTES)
    }

    /// Bytes of all sealed chunks together: file_size + 28 * total_chunks.
    #[must_use]
    pub fn sealed_size(&self) -> u64 {
        self.file_size + SEALED_OVERHEAD_BYTES * u64::from(self.total_chunks)
    }
}

#[cfg(test)]
mod tests;
