//! The AES-256-GCM seam: `aes-gcm` by default, AWS-LC under the feature `aws-lc-rs`, the same bytes from both.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod rust_crypto;

use crate::nonce::IV_LEN;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws_lc::Cipher;
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) use rust_crypto::Cipher;

/// Bytes of a tag.
pub(crate) const TAG_LEN: usize = 16;

/// The backend gave no result: for sealing, more than 64 GiB; for opening, anything that is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// One AES-256-GCM key, ready for use from many threads.
pub(crate) trait Aead: Send + Sync + Sized {
    /// Expands a key.
    fn new(key: &[u8; 32]) -> Self;

    /// Replaces plaintext by ciphertext and returns the tag.
    fn seal(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG_LEN], Refused>;

    /// Replaces ciphertext by plaintext if the tag is right; otherwise leaves bytes that mean nothing.
    fn open(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), Refused>;
}

#[cfg(test)]
mod tests;
