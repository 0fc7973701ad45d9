//! Haulier's client: seals a file chunk by chunk and uploads it, and brings it back from a link.
//!
//! Keys are made and used here and never leave: the server gets sealed chunks, sealed metadata and hashes of tokens
//! (docs/FORMAT.md). The CLI `haulier` is a thin layer over [`send`] and [`receive`]; both also run in-process.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ambient;
pub mod diagnose;
pub mod error;
mod http;
mod inspect;
pub mod owned;
pub mod progress;
mod receive;
mod resume;
mod secret;
mod send;
mod tally;
mod unit;
mod window;

pub use ambient::Ambient;
pub use error::Error;
pub use haulier_format::{KeyMode, Passphrase};
pub use http::{RetryPolicy, Server};
pub use inspect::{End, InspectOptions, Inspected, inspect};
pub use receive::{
    Description, Preview, PreviewFile, ReceiveOptions, Received, parse_link, peek, receive, receive_stream,
};
pub use secret::{Ask, PassphraseSource};
pub use send::{OnLink, SendOptions, Sent, SentLegacy, Source, Stream, send, send_legacy};
pub use window::WINDOW_BYTES;

#[cfg(test)]
mod tests;
