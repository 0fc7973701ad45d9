//! What the tests share: a server process, a client that checks every reply, and transfers of opaque bytes.

mod connection;
mod eventually;
mod haulier;
mod http;
mod object_store;
mod process;
mod proxy;
mod sample;

pub(crate) use connection::Connection;
pub(crate) use eventually::{eventually, files_below};
pub(crate) use haulier::{Haulier, sha256_of};
pub(crate) use http::{Http, Reply};
pub(crate) use object_store::ObjectStore;
pub(crate) use process::{Server, ServerOptions};
pub(crate) use proxy::{Action, Answer, Proxy, Request};
pub(crate) use sample::{DOWNLOAD_TOKEN, OWNER_TOKEN, Sample, random_bytes, token_hash};
