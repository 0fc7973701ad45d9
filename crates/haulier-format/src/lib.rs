//! Haulier's format, version 1: sealed chunks, sealed metadata, keys and links.
//!
//! Bytes and cryptography only. No file, socket or clock: randomness comes in as an argument, and whoever calls moves
//! the bytes. The format itself is `docs/FORMAT.md`; the sections named in the doc comments are its sections.
//!
//! A sender starts from [`WriteKeys::generate`], a reader from [`LinkTarget::parse`]. No public function seals
//! under a key that was given for reading.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod aad;
pub mod chunk;
mod cipher;
pub mod derive;
pub mod error;
pub mod foreign;
mod json;
pub mod link;
pub mod manifest;
pub mod metadata;
pub mod nonce;
pub mod path;
pub mod read;
pub mod secret;
#[cfg(test)]
mod test_rng;
#[cfg(test)]
mod test_vectors;
pub mod write;

pub use chunk::{ChunkContext, ChunkOpener, ChunkSealer};
pub use derive::{download_token, friendly_id, friendly_key, key_check, metadata_key, stretch, token_hash};
pub use error::Error;
pub use haulier_wire::encoding::{from_base64url, from_hex, to_base64url, to_hex};
pub use haulier_wire::{ByteLen, ChunkCount, ChunkIndex, ChunkLayout, TokenHash, TransferId};
pub use link::{KeyMode, Link, LinkMode, LinkTarget, expect_kdf};
pub use manifest::{CheckedManifest, check_manifest};
pub use metadata::{FileEntry, Metadata};
pub use nonce::NoncePrefix;
pub use path::{check_files, check_path, distinct_paths, sanitize_path, target_paths};
pub use read::{Opened, ReadKeys, SeedFirst, Unlocked};
pub use secret::{
    DownloadToken, FileKey, KeyCheck, LinkKey, MetadataKey, OwnerToken, Passphrase, PassphraseKey, generate_passphrase,
};
pub use write::{SavedKeys, WriteKeys};
