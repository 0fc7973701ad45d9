//! The legacy system's blob: `iv (12) || ciphertext || tag (16)`, AES-256-GCM without AAD under the link's key.
//!
//! One tag covers the whole, so nothing may be believed before the last byte was read. Whoever opens a blob therefore
//! goes over it twice: [`BlobCheck`] takes all of the ciphertext and gives a [`BlobOpener`] if the tag is right, which
//! opens any range. Neither holds more than a block, whatever the blob's size.
//!
//! What the format does NOT do: a blob is not bound to its transfer. The server can swap two of one key.

use std::fmt;

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use ctr::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::cipher::TAG_LEN;
use crate::error::Error;
use crate::nonce::IV_LEN;
use crate::secret::LinkKey;

mod envelope;

pub use envelope::{Envelope, MAX_ENVELOPE_BYTES, read_envelope, write_envelope};

/// Bytes that a blob is longer than its plaintext: 28.
pub const BLOB_OVERHEAD: u64 = (IV_LEN + TAG_LEN) as u64;
/// Most bytes of plaintext under one tag: 2^36 - 32, the limit of GCM.
pub const MAX_BLOB_PLAINTEXT: u64 = (1 << 36) - 32;

const BLOCK: usize = 16;

/// Bytes of plaintext in a blob of `blob_len` bytes, envelope and all.
///
/// # Errors
/// [`Error::Open`] for less than 28 bytes, or more than GCM allows.
pub fn plaintext_len(blob_len: u64) -> Result<u64, Error> {
    let len = blob_len.checked_sub(BLOB_OVERHEAD).ok_or(Error::Open)?;
    if len <= MAX_BLOB_PLAINTEXT { Ok(len) } else { Err(Error::Open) }
}

/// Reads ciphertext from the first byte to the last, and tells whether its tag is right.
pub struct BlobCheck {
    opener: BlobOpener,
    mac: Mac,
}

impl BlobCheck {
    /// Begins with a blob's first 12 bytes.
    #[must_use]
    pub fn new(key: &LinkKey, iv: &[u8; IV_LEN]) -> Self {
        let (opener, mac) = begin(key, iv);
        Self { opener, mac }
    }

    /// Takes the next bytes of ciphertext, any number of them.
    pub fn update(&mut self, ciphertext: &[u8]) {
        self.mac.update(ciphertext);
    }

    /// Compares with the blob's last 16 bytes, in constant time.
    ///
    /// # Errors
    /// [`Error::Open`] when the tag is another, or the ciphertext longer than GCM allows.
    pub fn finish(self, tag: &[u8; TAG_LEN]) -> Result<BlobOpener, Error> {
        let right = self.mac.finish()?;
        if bool::from(right.as_slice().ct_eq(tag)) { Ok(self.opener) } else { Err(Error::Open) }
    }
}

/// Opens ranges of a blob whose tag was found right.
pub struct BlobOpener {
    stream: Ctr32BE<Aes256>,
}

impl BlobOpener {
    /// Turns ciphertext into plaintext in place; its first byte is byte `offset` of the whole plaintext.
    ///
    /// The bytes must be those that were checked: a file that others can write to is no place for them.
    ///
    /// # Errors
    /// [`Error::Open`] for a range that ends beyond what GCM allows.
    pub fn open_at(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Error::Open)?;
        if end > MAX_BLOB_PLAINTEXT {
            return Err(Error::Open);
        }
        self.stream.try_seek(offset).map_err(|_| Error::Open)?;
        self.stream.try_apply_keystream(bytes).map_err(|_| Error::Open)
    }
}

/// Seals a blob from its first byte to its last, under a key that is drawn with it and used for nothing else.
pub struct BlobSealer {
    iv: [u8; IV_LEN],
    stream: Ctr32BE<Aes256>,
    mac: Mac,
}

impl BlobSealer {
    /// Draws a key and an iv. What breaks off is begun anew with another key: a blob has no parts to go on with.
    pub fn generate(rng: &mut impl CryptoRng) -> (LinkKey, Self) {
        let key = LinkKey::generate(rng);
        let mut iv = [0; IV_LEN];
        rng.fill_bytes(&mut iv);
        let sealer = Self::begin(&key, iv);
        (key, sealer)
    }

    fn begin(key: &LinkKey, iv: [u8; IV_LEN]) -> Self {
        let (opener, mac) = begin(key, &iv);
        Self { iv, stream: opener.stream, mac }
    }

    /// The blob's first 12 bytes.
    #[must_use]
    pub fn iv(&self) -> &[u8; IV_LEN] {
        &self.iv
    }

    /// Seals the next bytes in place, any number of them; the envelope comes first ([`write_envelope`]).
    ///
    /// # Errors
    /// [`Error::SealLength`] beyond what GCM allows; the bytes are then still plaintext.
    pub fn seal(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        if self.mac.len + bytes.len() as u64 > MAX_BLOB_PLAINTEXT {
            return Err(Error::SealLength);
        }
        self.stream.try_apply_keystream(bytes).map_err(|_| Error::SealLength)?;
        self.mac.update(bytes);
        Ok(())
    }

    /// The blob's last 16 bytes.
    ///
    /// # Errors
    /// None that [`Self::seal`] did not give before.
    pub fn finish(self) -> Result<[u8; TAG_LEN], Error> {
        self.mac.finish()
    }
}

/// The three parts of GCM (NIST SP 800-38D, 7.1) as the crates have them: stream, hash, and what covers the hash.
fn begin(key: &LinkKey, iv: &[u8; IV_LEN]) -> (BlobOpener, Mac) {
    let cipher = Aes256::new(key.expose().into());
    let mut hash_key = Zeroizing::new([0; BLOCK]);
    cipher.encrypt_block((&mut *hash_key).into());
    let mut cover = Zeroizing::new(counter_block(iv, 1));
    cipher.encrypt_block((&mut *cover).into());
    let stream = Ctr32BE::new(key.expose().into(), &counter_block(iv, 2).into());
    let mac = Mac { hash: GHash::new((&*hash_key).into()), cover, rest: [0; BLOCK], rest_len: 0, len: 0 };
    (BlobOpener { stream }, mac)
}

fn counter_block(iv: &[u8; IV_LEN], counter: u32) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..IV_LEN].copy_from_slice(iv);
    block[IV_LEN..].copy_from_slice(&counter.to_be_bytes());
    block
}

/// GHASH over ciphertext in pieces of any length.
struct Mac {
    hash: GHash,
    cover: Zeroizing<[u8; BLOCK]>,
    /// Ciphertext that does not fill a block yet.
    rest: [u8; BLOCK],
    rest_len: usize,
    len: u64,
}

impl Mac {
    fn update(&mut self, mut bytes: &[u8]) {
        // Saturates, so that too much is still too much at the end.
        self.len = self.len.saturating_add(bytes.len() as u64);
        if self.rest_len > 0 {
            let taken = bytes.len().min(BLOCK - self.rest_len);
            self.rest[self.rest_len..self.rest_len + taken].copy_from_slice(&bytes[..taken]);
            self.rest_len += taken;
            bytes = &bytes[taken..];
            if self.rest_len < BLOCK {
                return;
            }
            self.hash.update(&[self.rest.into()]);
        }
        let (blocks, rest) = bytes.split_at(bytes.len() - bytes.len() % BLOCK);
        self.hash.update_padded(blocks);
        self.rest[..rest.len()].copy_from_slice(rest);
        self.rest_len = rest.len();
    }

    fn finish(mut self) -> Result<[u8; TAG_LEN], Error> {
        if self.len > MAX_BLOB_PLAINTEXT {
            return Err(Error::Open);
        }
        self.hash.update_padded(&self.rest[..self.rest_len]);
        // No AAD: the first half, its length, is zero.
        self.hash.update(&[(u128::from(self.len) * 8).to_be_bytes().into()]);
        let mut tag: [u8; TAG_LEN] = self.hash.finalize().into();
        for (byte, cover) in tag.iter_mut().zip(&*self.cover) {
            *byte ^= cover;
        }
        Ok(tag)
    }
}

macro_rules! redacted {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
redacted!(BlobCheck BlobOpener BlobSealer);

#[cfg(test)]
mod tests;
