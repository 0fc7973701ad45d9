//! What the tests share: a server process, a client that checks every reply, and transfers of opaque bytes.

mod haulier;
mod http;
mod process;
mod sample;

pub(crate) use haulier::{Haulier, sha256_of};
pub(crate) use http::{Http, Reply};
pub(crate) use process::{Server, ServerOptions};
pub(crate) use sample::{DOWNLOAD_TOKEN, OWNER_TOKEN, Sample, random_bytes, token_hash};
