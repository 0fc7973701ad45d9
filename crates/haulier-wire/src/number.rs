//! Whole numbers with a unit, so that an index is never taken for a count or a length.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A number that is out of range or not in its shortest decimal form. Carries no input text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from {min} to {max}, in its shortest decimal form")]
pub struct NumberError {
    /// Smallest accepted value.
    pub min: u64,
    /// Largest accepted value.
    pub max: u64,
}

/// Reads a number in its shortest decimal form: digits alone, no sign, no leading zero.
///
/// # Errors
/// [`NumberError`] for any other text and for a value outside `min..=max`.
pub fn parse_decimal(text: &str, min: u64, max: u64) -> Result<u64, NumberError> {
    let canonical =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let value = if canonical { text.parse::<u64>().ok() } else { None };
    value.filter(|value| (min..=max).contains(value)).ok_or(NumberError { min, max })
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Smallest value.
            pub const MIN: Self = Self($min);
            /// Largest value.
            pub const MAX: Self = Self($max);

            /// Takes a value in range; `None` outside it.
            #[must_use]
            pub fn new(value: $inner) -> Option<Self> {
                (Self::MIN.0..=Self::MAX.0).contains(&value).then_some(Self(value))
            }

            /// The plain number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NumberError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let range = NumberError { min: u64::from($min), max: u64::from($max) };
                let value = parse_decimal(text, range.min, range.max)?;
                <$inner>::try_from(value).map(Self).map_err(|_| range)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let range = NumberError { min: u64::from($min), max: u64::from($max) };
                let value = u64::deserialize(deserializer)?;
                let inner = <$inner>::try_from(value).ok().and_then(Self::new);
                inner.ok_or_else(|| serde::de::Error::custom(range))
            }
        }
    };
}

number! {
    /// The place of a chunk in its transfer, from 0.
    ChunkIndex(u32), 0u32, u32::MAX - 1
}
number! {
    /// How many chunks a transfer has: at least 1, also for an empty file.
    ChunkCount(u32), 1u32, u32::MAX
}
number! {
    /// A length in bytes, at most 2^53 - 1.
    ByteLen(u64), 0u64, MAX_SAFE_INTEGER
}

#[cfg(test)]
mod tests;
