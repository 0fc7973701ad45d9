//! The write side: keys that were made for one transfer and for nothing else (docs/FORMAT.md, "Sealed once").

use std::fmt;
use std::sync::OnceLock;

use haulier_wire::api::Kdf;
use haulier_wire::kind::MixedKind;
use haulier_wire::limit::{KDF_SALT_BYTES, KEY_CHECK_BYTES, MIN_CHUNK_SIZE_BYTES};
use haulier_wire::{ByteLen, ChunkLayout, TransferId};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::chunk::{ChunkContext, ChunkSealer};
use crate::derive::{download_token, key_check, metadata_key, stretch};
use crate::error::Error;
use crate::link::{KeyMode, format_link, parse_base};
use crate::metadata::Metadata;
use crate::nonce::{IV_LEN, NoncePrefix};
use crate::secret::{DownloadToken, FileKey, KeyCheck, LinkKey, OwnerToken, Passphrase, PassphraseKey, random_secret};

/// Everything secret of one new FULL transfer: the capability to write it.
///
/// Binds itself to the first sizes that it seals for: another file, chunk_size or id needs new keys.
pub struct WriteKeys {
    transfer_id: TransferId,
    mode: KeyMode,
    link_key: Option<LinkKey>,
    passphrase_key: Option<PassphraseKey>,
    salt: Option<[u8; KDF_SALT_BYTES]>,
    file_key: FileKey,
    prefix: NoncePrefix,
    owner_secret: Zeroizing<[u8; 32]>,
    layout: OnceLock<ChunkLayout>,
}

/// The sender's own state, for resuming its own upload: plain values for the caller to store, mode 0600, under a lock.
///
/// Whoever holds it can read the transfer, and sealing from two copies of it breaks the cipher. Secrets are wiped on drop.
pub struct SavedKeys {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The key mode.
    pub mode: KeyMode,
    /// The link key; absent in mode passphrase.
    pub link_key: Option<Zeroizing<[u8; 32]>>,
    /// The stretched passphrase, so that a resume need not ask for it; absent in mode link.
    pub passphrase_key: Option<Zeroizing<[u8; 32]>>,
    /// kdf.salt; absent in mode link.
    pub salt: Option<[u8; KDF_SALT_BYTES]>,
    /// The nonce prefix.
    pub prefix: [u8; 8],
    /// The owner token's bytes.
    pub owner_secret: Zeroizing<[u8; 32]>,
    /// file_size and chunk_size, once the keys are bound to them.
    pub sizes: Option<(u64, u64)>,
    /// Proves on restore that id and keys are undamaged.
    pub key_check: [u8; KEY_CHECK_BYTES],
}

impl WriteKeys {
    /// Makes the id, keys, prefix, salt and owner token of a new transfer.
    ///
    /// Slow when there is a passphrase, as [`stretch`].
    ///
    /// # Errors
    /// [`Error::PassphraseMissing`] and [`Error::PassphraseSurplus`] when the mode and the passphrase do not fit.
    pub fn generate(rng: &mut impl CryptoRng, mode: KeyMode, passphrase: Option<&Passphrase>) -> Result<Self, Error> {
        match (mode.has_passphrase(), passphrase.is_some()) {
            (true, false) => return Err(Error::PassphraseMissing),
            (false, true) => return Err(Error::PassphraseSurplus),
            _ => {}
        }
        let transfer_id = TransferId::from_random_bytes(random(rng));
        let salt = mode.has_passphrase().then(|| random(rng));
        let link_key = (mode != KeyMode::Passphrase).then(|| LinkKey::generate(rng));
        let passphrase_key = passphrase.zip(salt).map(|(words, salt)| stretch(words, &transfer_id, &salt));
        let file_key = combine(mode, link_key.as_ref(), passphrase_key.as_ref()).ok_or(Error::PassphraseMissing)?;
        let prefix = NoncePrefix::generate(rng);
        let owner_secret = random_secret(rng);
        let layout = OnceLock::new();
        Ok(Self { transfer_id, mode, link_key, passphrase_key, salt, file_key, prefix, owner_secret, layout })
    }

    /// Takes up the sender's own unfinished transfer. For state that [`WriteKeys::save`] wrote on this machine, held
    /// under an exclusive lock, together with the tags of every chunk that was ever sealed; never for anything received.
    ///
    /// # Errors
    /// [`Error::SavedKeys`] when the state contradicts itself: then a new transfer is due.
    pub fn restore(saved: &SavedKeys) -> Result<Self, Error> {
        let mode = saved.mode;
        let link_key = saved.link_key.as_ref().map(|bytes| LinkKey::from_array(bytes));
        let passphrase_key = saved.passphrase_key.as_ref().map(|bytes| PassphraseKey::from_array(bytes));
        let consistent = link_key.is_some() == (mode != KeyMode::Passphrase)
            && passphrase_key.is_some() == mode.has_passphrase()
            && saved.salt.is_some() == mode.has_passphrase()
            && !saved.transfer_id.is_legacy();
        let file_key = combine(mode, link_key.as_ref(), passphrase_key.as_ref()).filter(|_| consistent);
        let file_key = file_key.ok_or(Error::SavedKeys)?;
        let prefix = NoncePrefix::random_from_bytes(saved.prefix).map_err(|_| Error::SavedKeys)?;
        let keys = Self {
            transfer_id: saved.transfer_id,
            mode,
            link_key,
            passphrase_key,
            salt: saved.salt,
            file_key,
            prefix,
            owner_secret: saved.owner_secret.clone(),
            layout: OnceLock::new(),
        };
        if let Some((file_size, chunk_size)) = saved.sizes {
            let file_size = ByteLen::new(file_size).ok_or(Error::SavedKeys)?;
            let layout = ChunkLayout::new(file_size, chunk_size).map_err(|_| Error::SavedKeys)?;
            keys.bind(layout).map_err(|_| Error::SavedKeys)?;
        }
        if keys.key_check().matches(&saved.key_check) { Ok(keys) } else { Err(Error::SavedKeys) }
    }

    /// Hands out what [`WriteKeys::restore`] needs.
    #[must_use]
    pub fn save(&self) -> SavedKeys {
        SavedKeys {
            transfer_id: self.transfer_id,
            mode: self.mode,
            link_key: self.link_key.as_ref().map(|key| Zeroizing::new(*key.bytes())),
            passphrase_key: self.passphrase_key.as_ref().map(|key| Zeroizing::new(*key.bytes())),
            salt: self.salt,
            prefix: *self.prefix.as_bytes(),
            owner_secret: self.owner_secret.clone(),
            sizes: self.layout.get().map(|layout| (layout.file_size(), u64::from(layout.chunk_size()))),
            key_check: *self.key_check().as_bytes(),
        }
    }

    /// The transfer's id.
    #[must_use]
    pub fn transfer_id(&self) -> &TransferId {
        &self.transfer_id
    }

    /// The key mode.
    #[must_use]
    pub fn mode(&self) -> KeyMode {
        self.mode
    }

    /// The create request's key_check.
    #[must_use]
    pub fn key_check(&self) -> KeyCheck {
        key_check(&self.file_key, &self.transfer_id)
    }

    /// The token that readers will show.
    #[must_use]
    pub fn download_token(&self) -> DownloadToken {
        download_token(&self.file_key, &self.transfer_id)
    }

    /// The sender's own token: 32 random bytes, 43 characters.
    #[must_use]
    pub fn owner_token(&self) -> OwnerToken {
        OwnerToken::from_array(&self.owner_secret)
    }

    /// The create request's kdf: exactly when the mode has a passphrase.
    #[must_use]
    pub fn kdf(&self) -> Option<Kdf> {
        self.salt.map(|salt| Kdf { salt })
    }

    /// The nonce prefix, for the metadata's iv_prefix.
    #[must_use]
    pub fn prefix(&self) -> NoncePrefix {
        self.prefix
    }

    /// Writes the link for a server's address. It holds the link key: for the user alone.
    ///
    /// # Errors
    /// [`Error::Base`] when the address is not one.
    pub fn link(&self, base_url: &str) -> Result<String, Error> {
        let base = parse_base(base_url)?;
        Ok(format_link(&base, &self.transfer_id, self.link_key.as_ref(), self.mode))
    }

    /// Hands out the sealer of the chunks, and binds these keys to `layout`.
    ///
    /// # Errors
    /// [`Error::LayoutBound`] when they are bound to another, [`Error::Kind`] for chunks under 64 KiB.
    pub fn sealer(&self, layout: ChunkLayout) -> Result<ChunkSealer, Error> {
        self.bind(layout)?;
        Ok(ChunkSealer::new(&self.file_key, ChunkContext::new(self.transfer_id, layout, self.prefix)))
    }

    /// Seals the metadata, and binds these keys to its sizes. To be done once: keep the result and send it again.
    ///
    /// # Errors
    /// Those of [`Metadata::encode`]; [`Error::MetadataMismatch`] when iv_prefix is not [`WriteKeys::prefix`];
    /// [`Error::LayoutBound`] when the keys are bound to other sizes.
    pub fn seal_metadata(&self, metadata: &Metadata, rng: &mut impl CryptoRng) -> Result<Vec<u8>, Error> {
        if metadata.iv_prefix != *self.prefix.as_bytes() {
            return Err(Error::MetadataMismatch);
        }
        self.bind(metadata.validate()?)?;
        metadata.seal(&metadata_key(&self.file_key), &self.transfer_id, &random::<IV_LEN>(rng))
    }

    fn bind(&self, layout: ChunkLayout) -> Result<(), Error> {
        if u64::from(layout.chunk_size()) < MIN_CHUNK_SIZE_BYTES {
            return Err(MixedKind::SmallChunks.into());
        }
        if *self.layout.get_or_init(|| layout) == layout { Ok(()) } else { Err(Error::LayoutBound) }
    }
}

/// The file key of a mode; `None` when a part is missing.
fn combine(mode: KeyMode, link_key: Option<&LinkKey>, passphrase_key: Option<&PassphraseKey>) -> Option<FileKey> {
    match mode {
        KeyMode::Link => link_key.map(|key| FileKey::from_array(key.bytes())),
        KeyMode::Passphrase => passphrase_key.map(|key| FileKey::from_array(key.bytes())),
        KeyMode::LinkPassphrase => {
            link_key.zip(passphrase_key).map(|(link, words)| FileKey::from_link_and_passphrase(link, words))
        }
    }
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

impl fmt::Debug for WriteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteKeys").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for SavedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedKeys").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
