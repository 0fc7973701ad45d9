//! AES-256-GCM from RustCrypto's `aes-gcm`: pure Rust, builds everywhere.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};

use super::{Aead, IV_LEN, Refused, TAG_LEN};

pub(crate) struct Cipher(Aes256Gcm);

impl Aead for Cipher {
    fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    fn seal(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG_LEN], Refused> {
        let tag = self.0.encrypt_inout_detached(iv.into(), aad, InOutBuf::from(body)).map_err(|_| Refused)?;
        Ok(tag.into())
    }

    fn open(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), Refused> {
        self.0.decrypt_inout_detached(iv.into(), aad, InOutBuf::from(body), tag.into()).map_err(|_| Refused)
    }
}
