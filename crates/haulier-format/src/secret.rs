//! Keys, tokens and passphrases: wiped on drop, redacted in `Debug`, never compared with `==`, never serialised.
//!
//! Keys live in a box, since a moved array would leave copies behind that nothing wipes.

use std::fmt;

use haulier_wire::encoding::to_base64url;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::error::Error;

/// Longest passphrase, in bytes of UTF-8 after NFC.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

macro_rules! redacted {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Box<Zeroizing<[u8; 32]>>);

        redacted!($name);

        impl $name {
            pub(crate) fn from_array(bytes: &[u8; 32]) -> Self {
                Self(Box::new(Zeroizing::new(*bytes)))
            }

            pub(crate) fn bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }
    };
}

key! {
    /// The 32 random bytes that stand in a link (docs/FORMAT.md, "Keys"). Never leaves the clients.
    LinkKey
}
key! {
    /// What PBKDF2 makes of a passphrase: 32 bytes, "P" in docs/FORMAT.md, "Keys".
    PassphraseKey
}
key! {
    /// The key that every chunk of one transfer is sealed under: 32 bytes (docs/FORMAT.md, "Keys").
    FileKey
}
key! {
    /// The key that the metadata of one transfer is sealed under: 32 bytes (docs/FORMAT.md, "Keys").
    MetadataKey
}

impl LinkKey {
    /// Takes the 32 bytes of a link's key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self::from_array(&bytes)
    }

    /// Draws a fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_array(&random_secret(rng))
    }

    /// Shows the bytes, for the link alone.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.bytes()
    }
}

/// Draws 32 bytes into memory that is wiped.
pub(crate) fn random_secret(rng: &mut impl CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    bytes
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        redacted!($name);

        impl $name {
            pub(crate) fn from_array(bytes: &[u8; 32]) -> Self {
                Self(Zeroizing::new(to_base64url(bytes)))
            }

            /// Shows the 43 characters, for the Authorization header alone.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

token! {
    /// What a reader shows to the server to be let in: 43 characters (docs/FORMAT.md, "Tokens").
    DownloadToken
}
token! {
    /// What the sender shows to the server to upload, change and delete: 43 characters (docs/FORMAT.md, "Tokens").
    OwnerToken
}

/// The manifest's key_check: 32 bytes that tell a right key from a wrong one (docs/FORMAT.md, "Key check").
///
/// Says nothing about whether any chunk is sound.
pub struct KeyCheck(pub(crate) [u8; 32]);

redacted!(KeyCheck);

impl KeyCheck {
    /// The bytes, for the manifest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time; any other length than 32 does not match.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

/// A passphrase in NFC: 1 to 1024 bytes of UTF-8, not trimmed, without control characters.
pub struct Passphrase(Zeroizing<String>);

redacted!(Passphrase);

impl Passphrase {
    /// Normalises to NFC and takes the result if it is in range. Does not measure its strength.
    ///
    /// # Errors
    /// [`Error::Passphrase`] when it is empty, longer than 1024 bytes, or holds a control character.
    pub fn new(text: &str) -> Result<Self, Error> {
        // Reserved once: a string that grew would leave unwiped pieces of the passphrase behind.
        let mut normal = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE_BYTES + 4));
        for symbol in text.nfc() {
            normal.push(symbol);
            if symbol.is_control() || normal.len() > MAX_PASSPHRASE_BYTES {
                return Err(Error::Passphrase);
            }
        }
        if normal.is_empty() { Err(Error::Passphrase) } else { Ok(Self(normal)) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Without 0, 1, l and o: nothing in it is mistaken for another when it is read out or copied by hand.
const PASSPHRASE_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Draws a passphrase of 80 bits: 16 letters and digits in four groups, such as `k7wq-m3dz-p9xa-tc4h`.
pub fn generate_passphrase(rng: &mut impl CryptoRng) -> String {
    let mut random = Zeroizing::new([0; 16]);
    rng.fill_bytes(&mut *random);
    let mut text = String::with_capacity(19);
    for (place, byte) in random.iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(PASSPHRASE_LETTERS[usize::from(byte & 31)]));
    }
    text
}

#[cfg(test)]
mod tests;
