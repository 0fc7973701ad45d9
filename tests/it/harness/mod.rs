//! What the tests share: a server process, a client that checks every reply, and transfers of opaque bytes.

mod chance;
mod connection;
mod documented;
mod eventually;
mod haulier;
mod http;
mod legacy_server;
mod object_store;
mod postgres;
mod process;
mod proxy;
mod sample;
mod scrape;
mod small_disk;
mod terminal;
mod wire;

pub(crate) use chance::Chance;
pub(crate) use connection::Connection;
pub(crate) use eventually::{eventually, files_below};
pub(crate) use haulier::{Haulier, SentLine, sha256_of};
pub(crate) use http::{Http, Reply};
pub(crate) use legacy_server::LegacyServer;
pub(crate) use object_store::{Disk, ObjectStore};
pub(crate) use postgres::{Postgres, TestDatabase};
pub(crate) use process::{Server, ServerOptions, free_address, peak_rss_bytes};
pub(crate) use proxy::{Action, Answer, Proxy, Request};
pub(crate) use sample::{DOWNLOAD_TOKEN, OWNER_TOKEN, Sample, random_bytes, token_hash};
pub(crate) use scrape::{METRICS_TOKEN, Scrape};
pub(crate) use small_disk::SmallDisk;
pub(crate) use terminal::Terminal;
pub(crate) use wire::Wire;
