//! Every key derivation and every label of the format, in one place (docs/FORMAT.md, "Keys").

use haulier_wire::encoding::to_hex;
use haulier_wire::limit::{KDF_ITERATIONS, KDF_SALT_BYTES};
use haulier_wire::{TokenHash, TransferId};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::link::FriendlyToken;
use crate::secret::{DownloadToken, FileKey, KeyCheck, LinkKey, MetadataKey, Passphrase, PassphraseKey};

const LINK_PASSPHRASE: &str = "haulier/v1/link+passphrase";
const PASSPHRASE: &str = "haulier/v1/passphrase:";
const METADATA: &str = "haulier/v1/metadata";
const KEY_CHECK: &str = "haulier/v1/key-check:";
const DOWNLOAD_TOKEN: &str = "haulier/v1/download-token:";
/// The one salt of all friendly tokens, and how often they are stretched: the legacy system's, whatever ours become.
const FRIENDLY_SALT: &[u8] = b"sgraph-send-v1";
const FRIENDLY_ITERATIONS: u32 = 600_000;

/// HKDF-SHA-256 with an empty salt, 32 bytes out.
fn hkdf(secret: &[u8], info: &[&str]) -> Zeroizing<[u8; 32]> {
    let info: Vec<&[u8]> = info.iter().map(|part| part.as_bytes()).collect();
    let mut out = Zeroizing::new([0; 32]);
    // Only more than 255 blocks can be refused; should one block ever be, no key of zeros may come of it.
    Hkdf::<Sha256>::new(None, secret).expand_multi_info(&info, &mut *out).expect("32 bytes are one block of SHA-256");
    out
}

/// Stretches a passphrase: PBKDF2-HMAC-SHA-256, 600,000 iterations, over a salt that names the transfer.
///
/// Slow on purpose, some tenths of a second: not for an async thread.
#[must_use]
pub fn stretch(passphrase: &Passphrase, id: &TransferId, salt: &[u8; KDF_SALT_BYTES]) -> PassphraseKey {
    let mut full_salt = Vec::with_capacity(PASSPHRASE.len() + TransferId::LEN + 1 + KDF_SALT_BYTES);
    full_salt.extend_from_slice(PASSPHRASE.as_bytes());
    full_salt.extend_from_slice(id.as_str().as_bytes());
    full_salt.push(b':');
    full_salt.extend_from_slice(salt);
    let mut out = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), &full_salt, KDF_ITERATIONS, &mut *out);
    PassphraseKey::from_array(&out)
}

impl FileKey {
    /// Mode "link": the link key itself.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the link key ends here, and is wiped")]
    pub fn from_link(link_key: LinkKey) -> Self {
        Self::from_array(link_key.bytes())
    }

    /// Mode "passphrase": the stretched passphrase itself.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the passphrase key ends here, and is wiped")]
    pub fn from_passphrase(passphrase_key: PassphraseKey) -> Self {
        Self::from_array(passphrase_key.bytes())
    }

    /// Mode "link+passphrase": HKDF over both, so that neither opens anything alone.
    #[must_use]
    pub fn from_link_and_passphrase(link_key: &LinkKey, passphrase_key: &PassphraseKey) -> Self {
        let mut both = [0; 64];
        both[..32].copy_from_slice(link_key.bytes());
        both[32..].copy_from_slice(passphrase_key.bytes());
        let key = Self::from_array(&hkdf(&both, &[LINK_PASSPHRASE]));
        both.zeroize();
        key
    }
}

/// Derives the key that seals the metadata.
#[must_use]
pub fn metadata_key(file_key: &FileKey) -> MetadataKey {
    MetadataKey::from_array(&hkdf(file_key.bytes(), &[METADATA]))
}

/// Derives the manifest's key_check, which commits the transfer to one key.
#[must_use]
pub fn key_check(file_key: &FileKey, id: &TransferId) -> KeyCheck {
    KeyCheck(*hkdf(file_key.bytes(), &[KEY_CHECK, id.as_str()]))
}

/// Derives the token that lets a reader in.
#[must_use]
pub fn download_token(file_key: &FileKey, id: &TransferId) -> DownloadToken {
    DownloadToken::from_array(&hkdf(file_key.bytes(), &[DOWNLOAD_TOKEN, id.as_str()]))
}

/// Hashes a token's text with SHA-256: all that the server keeps of it. Good for any token, also an access token.
#[must_use]
pub fn token_hash(token_text: &str) -> TokenHash {
    TokenHash::from_digest(&Sha256::digest(token_text.as_bytes()).into())
}

/// The transfer that a friendly token names: the first 12 digits of its SHA-256.
///
/// Whoever sees the id can try tokens against it, without any stretching: for reading only.
#[must_use]
pub fn friendly_id(token: &FriendlyToken) -> TransferId {
    let digits = to_hex(&Sha256::digest(token.as_str().as_bytes())[..6]);
    digits.parse().expect("12 lowercase hex digits are an id of the legacy system")
}

/// The key that a friendly token stands for: PBKDF2-HMAC-SHA-256, 600,000 iterations, one salt for all.
///
/// Slow on purpose, some tenths of a second: not for an async thread.
#[must_use]
pub fn friendly_key(token: &FriendlyToken) -> LinkKey {
    let mut out = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(token.as_str().as_bytes(), FRIENDLY_SALT, FRIENDLY_ITERATIONS, &mut *out);
    LinkKey::from_array(&out)
}

#[cfg(test)]
mod tests;
