//! How the chunks of a transfer were sealed, as create requests and manifests state it: one way in format version 1.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::Base64Url;
use crate::kind::IvStrategy;
use crate::limit::{KDF_ITERATIONS, KDF_SALT_BYTES};
use crate::shape::{object_only, string_only};

object_only!(Encryption, KdfMembers);
string_only!(Algorithm, AadFormat);

/// The cipher of format version 1: always `AES-256-GCM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
pub enum Algorithm {
    /// AES-256-GCM with a 128-bit tag.
    #[serde(rename = "AES-256-GCM")]
    Aes256Gcm,
}

/// How a chunk's AAD is spelled: always `json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", remote = "Self")]
pub enum AadFormat {
    /// The fixed template of docs/FORMAT.md.
    Json,
}

/// Bits of the tag: always 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TagLength;

impl TryFrom<u32> for TagLength {
    type Error = &'static str;

    fn try_from(bits: u32) -> Result<Self, Self::Error> {
        if bits == 128 { Ok(Self) } else { Err("tag_length must be 128") }
    }
}

impl From<TagLength> for u32 {
    fn from(_: TagLength) -> Self {
        128
    }
}

/// How the chunks were sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Encryption {
    /// Always `AES-256-GCM`.
    pub algorithm: Algorithm,
    /// Where the iv's prefix comes from.
    pub iv_strategy: IvStrategy,
    /// Always 128.
    pub tag_length: TagLength,
    /// Always `json`.
    pub aad_format: AadFormat,
}

impl Encryption {
    /// The one encryption of format version 1 under the given strategy.
    #[must_use]
    pub fn v1(iv_strategy: IvStrategy) -> Self {
        Self { algorithm: Algorithm::Aes256Gcm, iv_strategy, tag_length: TagLength, aad_format: AadFormat::Json }
    }
}

/// How a passphrase becomes a key: PBKDF2-HMAC-SHA-256 with 600,000 iterations, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "KdfMembers", into = "KdfMembers")]
pub struct Kdf {
    /// 16 random bytes.
    pub salt: [u8; KDF_SALT_BYTES],
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
struct KdfMembers {
    #[cfg_attr(feature = "schema", schemars(extend("const" = "PBKDF2")))]
    name: String,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "SHA-256")))]
    hash: String,
    #[cfg_attr(feature = "schema", schemars(extend("const" = KDF_ITERATIONS)))]
    iterations: u32,
    salt: Base64Url,
}

impl TryFrom<KdfMembers> for Kdf {
    type Error = &'static str;

    fn try_from(members: KdfMembers) -> Result<Self, Self::Error> {
        if members.name != "PBKDF2" || members.hash != "SHA-256" || members.iterations != KDF_ITERATIONS {
            return Err("kdf must be PBKDF2 with SHA-256 and 600000 iterations");
        }
        let salt = members.salt.0.try_into().map_err(|_| "kdf.salt must be 16 bytes")?;
        Ok(Self { salt })
    }
}

impl From<Kdf> for KdfMembers {
    fn from(kdf: Kdf) -> Self {
        Self {
            name: "PBKDF2".into(),
            hash: "SHA-256".into(),
            iterations: KDF_ITERATIONS,
            salt: Base64Url(kdf.salt.to_vec()),
        }
    }
}
