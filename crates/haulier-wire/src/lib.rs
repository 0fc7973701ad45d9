//! What Haulier's clients and server say to each other: ids, JSON bodies, limits and problem types.
//!
//! Nothing here encrypts, opens a socket or reads a clock, so the server can share it with the clients without
//! sharing any code that could open a chunk. The HTTP API itself is described in `docs/API.md`.
#![deny(missing_docs)]

pub mod api;
pub mod encoding;
pub mod encryption;
pub mod header;
pub mod id;
pub mod kind;
pub mod layout;
pub mod legacy;
pub mod limit;
pub mod number;
pub mod offer;
pub mod problem;
#[cfg(feature = "schema")]
mod schema;
mod shape;

pub use id::{TokenHash, TransferId};
pub use jiff::Timestamp;
pub use kind::TransferKind;
pub use layout::ChunkLayout;
pub use number::{ByteLen, ChunkCount, ChunkIndex};
pub use problem::{Problem, ProblemType};
