//! The two kinds of transfer, and the refusal of everything between them.
//!
//! A server that could strip single members off a FULL transfer could make it weaker without a trace, so both the
//! server (on create) and every reader (on the manifest) accept exactly two shapes (docs/FORMAT.md, "Kinds").

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::TransferId;
use crate::limit::MIN_CHUNK_SIZE_BYTES;
use crate::shape::string_only;

string_only!(IvStrategy);

/// How the 8 prefix bytes of every chunk's iv are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", remote = "Self")]
pub enum IvStrategy {
    /// All 8 bytes zero: SEED transfers.
    Counter,
    /// 8 random bytes, not all zero, the same in every chunk: FULL transfers.
    PrefixCounter,
}

/// Which of the shapes a transfer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TransferKind {
    /// What our clients write: sealed metadata, key check, tokens, a random iv prefix.
    Full,
    /// What a client writes that knows only the seed's chunk format.
    Seed,
    /// The older system's one blob, without chunks and manifest: never what the members of a manifest say.
    Payload,
}

/// The members that decide the kind, as a create request or a manifest states them.
#[derive(Clone, Copy, Debug)]
pub struct KindMembers {
    /// The id; absent when a SEED client leaves it to the server.
    pub transfer_id: Option<TransferId>,
    /// encryption.iv_strategy.
    pub iv_strategy: IvStrategy,
    /// chunk_size in bytes.
    pub chunk_size: u64,
    /// Whether sealed_metadata is there.
    pub sealed_metadata: bool,
    /// Whether key_check is there.
    pub key_check: bool,
    /// Whether kdf is there.
    pub kdf: bool,
}

/// The first member that fits neither kind. Carries no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixedKind {
    /// A FULL transfer without key_check.
    #[error("iv_strategy prefix-counter needs key_check")]
    KeyCheckMissing,
    /// A FULL transfer without sealed_metadata, where it must be there.
    #[error("iv_strategy prefix-counter needs sealed_metadata")]
    SealedMetadataMissing,
    /// A FULL transfer without a token hash.
    #[error("iv_strategy prefix-counter needs owner_token_hash and download_token_hash")]
    TokenHashMissing,
    /// A FULL transfer without an id of 32 digits.
    #[error("iv_strategy prefix-counter needs a transfer_id of 32 digits")]
    ShortId,
    /// A FULL transfer with chunks under 64 KiB.
    #[error("iv_strategy prefix-counter needs a chunk_size of at least 65536")]
    SmallChunks,
    /// A SEED transfer with key_check.
    #[error("iv_strategy counter goes without key_check")]
    KeyCheckSurplus,
    /// A SEED transfer with sealed_metadata.
    #[error("iv_strategy counter goes without sealed_metadata")]
    SealedMetadataSurplus,
    /// A SEED transfer with kdf.
    #[error("iv_strategy counter goes without kdf")]
    KdfSurplus,
}

impl KindMembers {
    /// Decides the kind. sealed_metadata may still be missing on a FULL transfer: create allows that, readers check it.
    ///
    /// # Errors
    /// [`MixedKind`] names the first member that fits neither kind.
    pub fn classify(&self) -> Result<TransferKind, MixedKind> {
        match self.iv_strategy {
            IvStrategy::PrefixCounter => {
                refuse(self.transfer_id.is_none_or(|id| id.is_legacy()), MixedKind::ShortId)?;
                refuse(!self.key_check, MixedKind::KeyCheckMissing)?;
                refuse(self.chunk_size < MIN_CHUNK_SIZE_BYTES, MixedKind::SmallChunks)?;
                Ok(TransferKind::Full)
            }
            IvStrategy::Counter => {
                refuse(self.key_check, MixedKind::KeyCheckSurplus)?;
                refuse(self.sealed_metadata, MixedKind::SealedMetadataSurplus)?;
                refuse(self.kdf, MixedKind::KdfSurplus)?;
                Ok(TransferKind::Seed)
            }
        }
    }
}

fn refuse(condition: bool, error: MixedKind) -> Result<(), MixedKind> {
    if condition { Err(error) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
