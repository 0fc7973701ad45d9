//! Sealing and opening one chunk: iv (12) || ciphertext || tag (16) (docs/FORMAT.md, "Chunk").
//!
//! All size arithmetic is [`ChunkLayout`]'s.

use std::fmt;

use haulier_wire::{ChunkIndex, ChunkLayout, TransferId};

use crate::aad::chunk_aad;
use crate::cipher::{Aead as _, Cipher, TAG_LEN};
use crate::error::Error;
use crate::nonce::{IV_LEN, NoncePrefix};
use crate::secret::FileKey;

/// What a chunk is bound to besides its key: the transfer, its sizes and its nonce prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkContext {
    transfer_id: TransferId,
    layout: ChunkLayout,
    prefix: NoncePrefix,
}

impl ChunkContext {
    /// Puts the three together. Checks nothing: [`ChunkLayout`] and [`NoncePrefix`] are sound by themselves.
    #[must_use]
    pub fn new(transfer_id: TransferId, layout: ChunkLayout, prefix: NoncePrefix) -> Self {
        Self { transfer_id, layout, prefix }
    }

    /// The transfer.
    #[must_use]
    pub fn transfer_id(&self) -> &TransferId {
        &self.transfer_id
    }

    /// The nonce prefix.
    #[must_use]
    pub fn prefix(&self) -> NoncePrefix {
        self.prefix
    }

    /// The sizes.
    #[must_use]
    pub fn layout(&self) -> &ChunkLayout {
        &self.layout
    }

    fn aad(&self, index: ChunkIndex) -> String {
        chunk_aad(index, self.layout.total_chunks(), &self.transfer_id)
    }
}

/// The capability to write one transfer's chunks, from many threads at once.
///
/// Comes from [`crate::WriteKeys::sealer`] alone, so it never holds a key that was given for reading. It does not
/// remember what it sealed: **before the first byte of a sealed chunk leaves the process, its tag must stand in the
/// sender's local state, and every later sealing of that chunk must give that tag** (docs/FORMAT.md, "Sealed once").
pub struct ChunkSealer {
    cipher: Cipher,
    context: ChunkContext,
}

impl ChunkSealer {
    pub(crate) fn new(key: &FileKey, context: ChunkContext) -> Self {
        Self { cipher: Cipher::new(key.bytes()), context }
    }

    /// What the chunks are bound to.
    #[must_use]
    pub fn context(&self) -> &ChunkContext {
        &self.context
    }

    /// Seals chunk `index` in place and returns its tag.
    ///
    /// `buffer` holds 12 bytes of room, whatever they are, and then exactly the chunk's plaintext; afterwards it is
    /// iv || ciphertext || tag. It grows by 16 bytes: reserve them, or the whole chunk is copied.
    ///
    /// # Errors
    /// [`Error::SealLength`] when the buffer has another length or there is no such chunk; the buffer is untouched.
    pub fn seal_in_place(&self, index: ChunkIndex, buffer: &mut Vec<u8>) -> Result<[u8; TAG_LEN], Error> {
        let expected = self.context.layout.plaintext_len(index).ok_or(Error::SealLength)?;
        let (room, body) = buffer.split_first_chunk_mut::<IV_LEN>().ok_or(Error::SealLength)?;
        if body.len() as u64 != u64::from(expected) {
            return Err(Error::SealLength);
        }
        let iv = self.context.prefix.iv(index);
        let tag = self.cipher.seal(&iv, self.context.aad(index).as_bytes(), body).map_err(|_| Error::SealLength)?;
        *room = iv;
        buffer.extend_from_slice(&tag);
        Ok(tag)
    }
}

impl fmt::Debug for ChunkSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSealer").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Opens one transfer's chunks, in any order and from many threads at once.
///
/// Readers get theirs from [`crate::Opened`], after the key check and the metadata: made by hand, it checks each chunk
/// against `context`, but nobody has checked the context.
pub struct ChunkOpener {
    cipher: Cipher,
    context: ChunkContext,
}

impl ChunkOpener {
    /// Prepares a key for the chunks of one transfer.
    #[must_use]
    pub fn new(key: &FileKey, context: ChunkContext) -> Self {
        Self { cipher: Cipher::new(key.bytes()), context }
    }

    /// What the chunks are bound to.
    #[must_use]
    pub fn context(&self) -> &ChunkContext {
        &self.context
    }

    /// Opens chunk `index` in place and returns its plaintext, a part of `sealed`.
    ///
    /// Checks in this order: the exact length, the iv's prefix, the iv's counter against `index`, the tag.
    /// After a wrong tag `sealed` is filled with zeros: no unverified plaintext is ever in it.
    ///
    /// # Errors
    /// [`Error::Open`], whatever the reason.
    pub fn open_in_place<'b>(&self, index: ChunkIndex, sealed: &'b mut [u8]) -> Result<&'b mut [u8], Error> {
        let expected = self.context.layout.sealed_len(index).ok_or(Error::Open)?;
        if sealed.len() as u64 != expected {
            return Err(Error::Open);
        }
        let (iv, rest) = sealed.split_first_chunk_mut::<IV_LEN>().ok_or(Error::Open)?;
        if *iv != self.context.prefix.iv(index) {
            return Err(Error::Open);
        }
        open_body(&self.cipher, iv, self.context.aad(index).as_bytes(), rest)
    }
}

impl fmt::Debug for ChunkOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkOpener").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Opens ciphertext || tag in place; wipes it when the tag is wrong.
pub(crate) fn open_body<'b>(
    cipher: &Cipher,
    iv: &[u8; IV_LEN],
    aad: &[u8],
    rest: &'b mut [u8],
) -> Result<&'b mut [u8], Error> {
    let (body, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(Error::Open)?;
    if cipher.open(iv, aad, body, tag).is_err() {
        body.fill(0);
        return Err(Error::Open);
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
