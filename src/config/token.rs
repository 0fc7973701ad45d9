//! The commands on access tokens, and their flags.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::unit;

/// Longest name of an access token, in characters.
const MAX_NAME_CHARS: usize = 64;

/// What to do with access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Token {
    /// Make an access token and print it, this once
    ///
    /// Whoever has it may create transfers where HAULIER_CREATE is token. Runs beside a server, which knows it at once.
    Create(NewToken),
    /// List all access tokens, and what they have used: never the tokens themselves
    List {
        /// One JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Revoke an access token, at once and for good; what it created stays
    Revoke {
        /// Its name
        name: GivenName,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// What a new access token is to be.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Your word for it: 1 to 64 letters, digits, dots, dashes and underscores
    pub name: GivenName,
    /// It ends after so long [default: never]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub expires: Option<Duration>,
    /// It creates at most so many transfers [default: no limit]
    #[arg(long, value_name = "COUNT", value_parser = uses)]
    pub uses: Option<u64>,
    /// Its transfers hold at most so much at a time [default: HAULIER_MAX_TOKEN_SIZE]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub bytes: Option<u64>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

impl Token {
    /// Checks the name that was given, if one was.
    ///
    /// # Errors
    /// When it is none.
    pub fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Create(new) => new.name.get().map(drop),
            Self::Revoke { name, .. } => name.get().map(drop),
            Self::List { .. } => Ok(()),
        }
    }
}

/// A name as it was given. What is none is never repeated: it may be the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenName(Option<String>);

impl GivenName {
    /// The name.
    ///
    /// # Errors
    /// When it is none.
    pub fn get(&self) -> anyhow::Result<&str> {
        self.0.as_deref().context("NAME: expected 1 to 64 letters, digits, dots, dashes and underscores")
    }
}

impl FromStr for GivenName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_name);
        Ok(Self(fits.then(|| text.to_owned())))
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    unit::duration("--expires", text).map_err(|error| format!("{error:#}"))
}

fn uses(text: &str) -> Result<u64, String> {
    unit::count("--uses", text, 0, haulier_wire::number::MAX_SAFE_INTEGER).map_err(|error| format!("{error:#}"))
}

fn bytes(text: &str) -> Result<u64, String> {
    unit::bytes("--bytes", text).map_err(|error| format!("{error:#}"))
}
