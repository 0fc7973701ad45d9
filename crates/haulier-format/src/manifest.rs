//! What a reader requires of a manifest before it uses a key: exactly FULL or exactly SEED (docs/FORMAT.md, "Kinds").

use haulier_wire::api::Manifest;
use haulier_wire::kind::{KindMembers, MixedKind};
use haulier_wire::limit::{KEY_CHECK_BYTES, MAX_SEALED_METADATA_BYTES, MIN_SEALED_METADATA_BYTES};
use haulier_wire::{ChunkLayout, TransferId, TransferKind};

use crate::error::Error;
use crate::link::{KeyMode, expect_kdf};

/// A manifest of one of the two kinds that fits its link and does not contradict itself.
///
/// Nothing in it is authentic yet: [`CheckedManifest::unlock`] comes next.
#[derive(Debug)]
pub struct CheckedManifest {
    pub(crate) manifest: Manifest,
    pub(crate) layout: ChunkLayout,
    pub(crate) kind: TransferKind,
    pub(crate) mode: KeyMode,
}

impl CheckedManifest {
    /// FULL or SEED.
    #[must_use]
    pub fn kind(&self) -> TransferKind {
        self.kind
    }
}

/// Checks a manifest against the link that it was asked for with, member by member.
///
/// The encryption's fixed members (AES-256-GCM, 128, json) and the kdf's fixed ones are held by the types.
///
/// # Errors
/// [`Error::OtherTransfer`], [`Error::Layout`], [`Error::LastChunkSize`], [`Error::Kind`], [`Error::KdfMissing`],
/// [`Error::KdfSurplus`], [`Error::SeedWithPassphrase`], [`Error::SealedMetadataSize`], [`Error::KeyCheckSize`].
pub fn check_manifest(manifest: &Manifest, mode: KeyMode, id: &TransferId) -> Result<CheckedManifest, Error> {
    if manifest.transfer_id != *id {
        return Err(Error::OtherTransfer);
    }
    let layout = ChunkLayout::check(manifest.file_size, manifest.chunk_size.get(), manifest.total_chunks)?;
    if manifest.last_chunk_size.get() != u64::from(layout.last_chunk_size()) {
        return Err(Error::LastChunkSize);
    }
    let kind = KindMembers {
        transfer_id: Some(manifest.transfer_id),
        iv_strategy: manifest.encryption.iv_strategy,
        chunk_size: manifest.chunk_size.get(),
        sealed_metadata: manifest.sealed_metadata.is_some(),
        key_check: manifest.key_check.is_some(),
        kdf: manifest.kdf.is_some(),
    }
    .classify()?;
    match kind {
        TransferKind::Full => check_full(manifest, mode)?,
        TransferKind::Seed if mode.has_passphrase() => return Err(Error::SeedWithPassphrase),
        TransferKind::Seed => {}
        TransferKind::Payload => return Err(Error::NotChunked),
    }
    Ok(CheckedManifest { manifest: manifest.clone(), layout, kind, mode })
}

fn check_full(manifest: &Manifest, mode: KeyMode) -> Result<(), Error> {
    expect_kdf(mode, manifest.kdf.is_some())?;
    let sealed = manifest.sealed_metadata.as_ref().ok_or(MixedKind::SealedMetadataMissing)?;
    let key_check = manifest.key_check.as_ref().ok_or(MixedKind::KeyCheckMissing)?;
    if !(MIN_SEALED_METADATA_BYTES..=MAX_SEALED_METADATA_BYTES).contains(&sealed.0.len()) {
        return Err(Error::SealedMetadataSize);
    }
    if key_check.0.len() == KEY_CHECK_BYTES { Ok(()) } else { Err(Error::KeyCheckSize) }
}
