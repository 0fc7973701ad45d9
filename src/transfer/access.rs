//! Tokens: hashed, then compared in constant time. Who presents them.

use std::fmt;

use haulier_wire::TokenHash;
use haulier_wire::limit::MAX_TOKEN_BYTES;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::TransferError;

mod client;
mod guess;
mod rate;

pub use client::{Client, Clients};
pub use guess::Guesses;
pub use rate::{Rate, Rates};

/// What a client presented: 1 to 256 visible ASCII bytes, never parsed, never shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes a token's text; `None` when it is empty, too long or not visible ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=MAX_TOKEN_BYTES).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::from_digest(&Sha256::digest(self.0.as_bytes()).into())
    }

    /// Compares without telling by its duration where two texts differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Who reads, and what they bring.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The download token.
    pub download: Option<Token>,
    /// The token of their lease, where the transfer has a limit.
    pub lease: Option<Token>,
    /// Where they come from.
    pub client: Client,
}

/// Who writes, and what they bring.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// The owner token.
    pub owner: Option<Token>,
    /// The access token, for transfers that have no owner.
    pub access: Option<Token>,
}

/// Lets a request pass whose token has the stored hash, or any request where no hash is stored.
///
/// # Errors
/// [`TransferError::MissingToken`] and [`TransferError::WrongToken`].
pub fn check(presented: Option<&Token>, stored: Option<&TokenHash>) -> Result<(), TransferError> {
    let Some(stored) = stored else { return Ok(()) };
    let presented = presented.ok_or(TransferError::MissingToken)?.hash();
    if presented.as_str().as_bytes().ct_eq(stored.as_str().as_bytes()).into() {
        Ok(())
    } else {
        Err(TransferError::WrongToken)
    }
}

#[cfg(test)]
mod tests;
