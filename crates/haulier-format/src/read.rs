//! The read side, step by step: each step is a type, so that none can be left out (docs/FORMAT.md, "Reading").
//!
//! [`Link`] and kdf give [`ReadKeys`]; [`CheckedManifest::unlock`] compares the key check and opens the
//! metadata; only then is there an opener.

use std::fmt;

use haulier_wire::api::Kdf;
use haulier_wire::{ChunkIndex, ChunkLayout, TransferId, TransferKind};

use crate::chunk::{ChunkContext, ChunkOpener};
use crate::derive::{download_token, key_check, metadata_key, stretch};
use crate::error::Error;
use crate::link::{KeyMode, Link, LinkMode, expect_kdf};
use crate::manifest::CheckedManifest;
use crate::metadata::Metadata;
use crate::nonce::NoncePrefix;
use crate::secret::{DownloadToken, FileKey, KeyCheck, LinkKey, Passphrase, PassphraseKey};

/// The keys of one transfer, for reading. Cannot seal anything.
pub struct ReadKeys {
    file_key: FileKey,
    transfer_id: TransferId,
    mode: KeyMode,
    kdf: Option<Kdf>,
}

impl ReadKeys {
    /// Makes the file key from a link, the kdf that the server's info names, and the passphrase where there is one.
    ///
    /// Slow when there is a passphrase, as [`stretch`].
    ///
    /// # Errors
    /// [`Error::KdfMissing`], [`Error::KdfSurplus`], [`Error::PassphraseMissing`], [`Error::PassphraseSurplus`].
    pub fn new(link: &Link, passphrase: Option<&Passphrase>, kdf: Option<&Kdf>) -> Result<Self, Error> {
        let mode = link.mode.key_mode();
        expect_kdf(mode, kdf.is_some())?;
        let stretched = stretch_if(passphrase, kdf, &link.id)?;
        let file_key = match &link.mode {
            LinkMode::Link(key) => FileKey::from_link(LinkKey::from_array(key.bytes())),
            LinkMode::LinkPassphrase(key) => {
                FileKey::from_link_and_passphrase(key, &stretched.ok_or(Error::PassphraseMissing)?)
            }
            LinkMode::Passphrase => FileKey::from_passphrase(stretched.ok_or(Error::PassphraseMissing)?),
        };
        Ok(Self { file_key, transfer_id: link.id, mode, kdf: kdf.cloned() })
    }

    /// The transfer.
    #[must_use]
    pub fn transfer_id(&self) -> &TransferId {
        &self.transfer_id
    }

    /// The key mode.
    #[must_use]
    pub fn mode(&self) -> KeyMode {
        self.mode
    }

    /// What the manifest's key_check must be.
    #[must_use]
    pub fn key_check(&self) -> KeyCheck {
        key_check(&self.file_key, &self.transfer_id)
    }

    /// The token that the server lets readers in with.
    #[must_use]
    pub fn download_token(&self) -> DownloadToken {
        download_token(&self.file_key, &self.transfer_id)
    }
}

impl fmt::Debug for ReadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadKeys").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

fn stretch_if(
    passphrase: Option<&Passphrase>,
    kdf: Option<&Kdf>,
    id: &TransferId,
) -> Result<Option<PassphraseKey>, Error> {
    match (passphrase, kdf) {
        (Some(passphrase), Some(kdf)) => Ok(Some(stretch(passphrase, id, &kdf.salt))),
        (Some(_), None) => Err(Error::PassphraseSurplus),
        (None, Some(_)) => Err(Error::PassphraseMissing),
        (None, None) => Ok(None),
    }
}

impl CheckedManifest {
    /// Proves the manifest with the keys: first the key check, then the metadata, then every number in both.
    ///
    /// # Errors
    /// [`Error::OtherTransfer`] for keys of another transfer or mode, [`Error::KdfChanged`], [`Error::WrongKey`], and
    /// those of [`Metadata::open`] and [`Metadata::check`].
    pub fn unlock(self, keys: &ReadKeys) -> Result<Unlocked, Error> {
        if self.manifest.transfer_id != keys.transfer_id || self.mode != keys.mode {
            return Err(Error::OtherTransfer);
        }
        match self.kind {
            TransferKind::Full => self.unlock_full(keys).map(Unlocked::Full),
            TransferKind::Seed => {
                let context = ChunkContext::new(keys.transfer_id, self.layout, NoncePrefix::seed());
                Ok(Unlocked::Seed(SeedFirst { opener: ChunkOpener::new(&keys.file_key, context) }))
            }
            TransferKind::Payload => Err(Error::NotChunked),
        }
    }

    fn unlock_full(self, keys: &ReadKeys) -> Result<Opened, Error> {
        if self.manifest.kdf != keys.kdf {
            return Err(Error::KdfChanged);
        }
        let claimed = self.manifest.key_check.as_ref().map_or(&[][..], |claimed| &claimed.0);
        if !keys.key_check().matches(claimed) {
            return Err(Error::WrongKey);
        }
        let sealed = self.manifest.sealed_metadata.as_ref().map_or(&[][..], |sealed| &sealed.0);
        let metadata = Metadata::open(&metadata_key(&keys.file_key), &keys.transfer_id, sealed)?;
        let layout = metadata.check(&self.manifest)?;
        let prefix = NoncePrefix::random_from_bytes(metadata.iv_prefix)?;
        let context = ChunkContext::new(keys.transfer_id, layout, prefix);
        let opener = ChunkOpener::new(&keys.file_key, context);
        Ok(Opened { transfer_id: keys.transfer_id, metadata: Some(metadata), opener })
    }
}

/// A manifest that the keys fit: proven for FULL, still the server's word for SEED.
#[derive(Debug)]
pub enum Unlocked {
    /// The metadata opened, and every number is the sender's.
    Full(Opened),
    /// The first chunk must open before anything is shown or allocated.
    Seed(SeedFirst),
}

/// A SEED transfer whose first chunk has not opened yet. Shows none of the server's claims as facts.
#[derive(Debug)]
pub struct SeedFirst {
    opener: ChunkOpener,
}

impl SeedFirst {
    /// Sealed bytes of chunk 0, by the server's word: at most 64 MiB + 28.
    #[must_use]
    pub fn first_sealed_len(&self) -> u64 {
        self.opener.context().layout().sealed_len(ChunkIndex::MIN).unwrap_or_default()
    }

    /// The sizes by the server's word: to be shown as a claim, or not at all.
    #[must_use]
    pub fn claimed_layout(&self) -> &ChunkLayout {
        self.opener.context().layout()
    }

    /// Opens chunk 0 in place, which proves id, total_chunks and the zero prefix.
    ///
    /// It also proves chunk_size when there is more than one chunk, and file_size when there is one; otherwise
    /// file_size is proven by the last chunk alone.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open_first(self, sealed: &mut [u8]) -> Result<(Opened, &mut [u8]), Error> {
        let plaintext = self.opener.open_in_place(ChunkIndex::MIN, sealed)?;
        let transfer_id = *self.opener.context().transfer_id();
        Ok((Opened { transfer_id, metadata: None, opener: self.opener }, plaintext))
    }
}

/// A transfer whose manifest is proven: here are its sizes, its metadata and its opener.
#[derive(Debug)]
pub struct Opened {
    transfer_id: TransferId,
    metadata: Option<Metadata>,
    opener: ChunkOpener,
}

impl Opened {
    /// The sender's description; none in a SEED transfer.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// What to call it: the metadata's name, or the id of a SEED transfer.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.as_ref().map_or_else(|| self.transfer_id.as_str(), |metadata| &metadata.name)
    }

    /// The transfer.
    #[must_use]
    pub fn transfer_id(&self) -> &TransferId {
        &self.transfer_id
    }

    /// The sizes.
    #[must_use]
    pub fn layout(&self) -> &ChunkLayout {
        self.opener.context().layout()
    }

    /// Opens the chunks.
    #[must_use]
    pub fn opener(&self) -> &ChunkOpener {
        &self.opener
    }
}
