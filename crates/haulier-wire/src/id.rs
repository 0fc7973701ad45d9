//! Transfer ids and token hashes: validated once, then carried as types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::to_hex;

/// Why a text is not an id or a token hash. Carries no input text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not 12 or 32 lowercase hex digits.
    #[error("a transfer id is 32 lowercase hex digits (12 in the legacy system)")]
    TransferId,
    /// Not 64 lowercase hex digits.
    #[error("a token hash is 64 lowercase hex digits: the SHA-256 of the token's text")]
    TokenHash,
}

/// Names one transfer: 16 random bytes as 32 lowercase hex digits, or 12 digits in the legacy system.
///
/// The text stands in URLs, in links and in every chunk's AAD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId {
    digits: [u8; Self::LEN],
    len: u8,
}

impl TransferId {
    /// Digits of an id that our clients make.
    pub const LEN: usize = 32;
    /// Digits of an id of the legacy system.
    pub const LEGACY_LEN: usize = 12;

    /// Makes an id from 16 random bytes.
    #[must_use]
    pub fn from_random_bytes(bytes: [u8; 16]) -> Self {
        let mut digits = [0; Self::LEN];
        digits.copy_from_slice(to_hex(&bytes).as_bytes());
        Self { digits, len: 32 }
    }

    /// Makes an id of the legacy system from 6 random bytes.
    #[must_use]
    pub fn legacy_from_random_bytes(bytes: [u8; 6]) -> Self {
        let mut digits = [0; Self::LEN];
        digits[..Self::LEGACY_LEN].copy_from_slice(to_hex(&bytes).as_bytes());
        Self { digits, len: 12 }
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Whether the id has the legacy system's 12 digits.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        usize::from(self.len) == Self::LEGACY_LEN
    }
}

impl FromStr for TransferId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let len = match text.len() {
            Self::LEN => 32,
            Self::LEGACY_LEN => 12,
            _ => return Err(ParseIdError::TransferId),
        };
        if !is_lower_hex(text) {
            return Err(ParseIdError::TransferId);
        }
        let mut digits = [0; Self::LEN];
        digits[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { digits, len })
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferId({self})")
    }
}

/// The SHA-256 of a token's text, as 64 lowercase hex digits: all that a server keeps of a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

impl TokenHash {
    /// Wraps a digest that the caller computed.
    #[must_use]
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        Self(to_hex(digest))
    }

    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenHash {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 && is_lower_hex(text) { Ok(Self(text.to_owned())) } else { Err(ParseIdError::TokenHash) }
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

macro_rules! serde_as_text {
    ($type:ty, $text:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$text())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(TransferId, as_str);
serde_as_text!(TokenHash, as_str);

#[cfg(test)]
mod tests;
