//! AES-256-GCM from AWS-LC: assembly for each processor, several times faster than `aes-gcm`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Aead, IV_LEN, Refused, TAG_LEN};

/// `None` only if AWS-LC would not take a 32-byte key, which it always does; then every call is refused.
pub(crate) struct Cipher(Option<LessSafeKey>);

impl Aead for Cipher {
    fn new(key: &[u8; 32]) -> Self {
        Self(UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new))
    }

    fn seal(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG_LEN], Refused> {
        let key = self.0.as_ref().ok_or(Refused)?;
        let nonce = Nonce::assume_unique_for_key(*iv);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body).map_err(|_| Refused)?;
        tag.as_ref().try_into().map_err(|_| Refused)
    }

    fn open(&self, iv: &[u8; IV_LEN], aad: &[u8], body: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), Refused> {
        let key = self.0.as_ref().ok_or(Refused)?;
        let nonce = Nonce::assume_unique_for_key(*iv);
        key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, body).map(|_| ()).map_err(|_| Refused)
    }
}
