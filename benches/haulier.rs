//! The server to measure: the release program with default settings, on an empty data folder.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use haulier_wire::TransferId;
use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount, ChunkIndex, ChunkLayout, TokenHash};
use sha2::{Digest as _, Sha256};

use crate::folder::WorkFolder;
use crate::http::{Connection, Request};
use crate::process::{Process, built};

const OWNER_TOKEN: &str = "the-owner-token-of-the-benchmarks";
const DOWNLOAD_TOKEN: &str = "the-download-token-of-the-benchmarks";

/// A running server.
#[derive(Debug)]
pub(crate) struct Haulier {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl Haulier {
    pub(crate) fn start(folder: &WorkFolder, name: &str) -> anyhow::Result<Self> {
        Self::start_with(folder, name, &[])
    }

    /// With more environment variables than the default settings need.
    pub(crate) fn start_with(folder: &WorkFolder, name: &str, env: &[(&str, OsString)]) -> anyhow::Result<Self> {
        let data = folder.path(name);
        let mut command = Command::new(built("haulier-server")?);
        command.env_clear().env("HAULIER_LISTEN", "127.0.0.1:0").env("HAULIER_DATA_DIR", &data);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.stderr(File::create(folder.path(&format!("{name}.log")))?);
        let (process, address) = Process::start_server(&mut command)?;
        Ok(Self { process, address, data })
    }

    /// Creates a transfer of opaque bytes: to the server, sealed chunks are nothing else.
    pub(crate) fn create(&self, number: u32, layout: ChunkLayout) -> anyhow::Result<Transfer> {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let transfer = Transfer { id: TransferId::from_random_bytes(id), layout };
        let body = serde_json::to_vec(&create_request(&transfer)?)?;
        self.call("POST", "/api/transfers/create".to_owned(), &body)?;
        Ok(transfer)
    }

    pub(crate) fn complete(&self, transfer: &Transfer) -> anyhow::Result<()> {
        self.call("POST", format!("/api/transfers/complete/{}", transfer.id), &[])
    }

    /// The folder that holds the chunks of a transfer as files `0`, `1`, ...
    pub(crate) fn chunk_folder(&self, id: TransferId) -> PathBuf {
        self.data.join(format!("blobs/transfers/{id}/chunks"))
    }

    fn call(&self, method: &str, path: String, body: &[u8]) -> anyhow::Result<()> {
        let request = Request { method, path, token: Some(OWNER_TOKEN) };
        Connection::open(self.address)?.exchange(&request, body, |_| {}).map(drop)
    }
}

/// A transfer that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    pub(crate) layout: ChunkLayout,
}

impl Transfer {
    /// Bytes of every chunk on the wire; all are whole.
    pub(crate) fn sealed_chunk_bytes(&self) -> anyhow::Result<u64> {
        self.layout.sealed_len(ChunkIndex::MIN).context("a transfer has a first chunk")
    }

    pub(crate) fn put_request(&self, index: u32) -> Request<'static> {
        let path = format!("/api/transfers/upload/{}/chunk/{index}", self.id);
        Request { method: "PUT", path, token: Some(OWNER_TOKEN) }
    }

    pub(crate) fn get_request(&self, index: u32) -> Request<'static> {
        let path = format!("/api/transfers/download/{}/chunk/{index}", self.id);
        Request { method: "GET", path, token: Some(DOWNLOAD_TOKEN) }
    }
}

fn create_request(transfer: &Transfer) -> anyhow::Result<CreateRequest> {
    let number = |value| ByteLen::new(value).context("a length out of range");
    Ok(CreateRequest {
        transfer_id: Some(transfer.id),
        total_chunks: ChunkCount::new(transfer.layout.total_chunks()).context("no chunks")?,
        chunk_size: number(transfer.layout.chunk_size().into())?,
        file_size: number(transfer.layout.file_size())?,
        encryption: Encryption::v1(IvStrategy::PrefixCounter),
        sealed_metadata: Some(Base64Url(vec![7; 100])),
        key_check: Some(Base64Url(vec![8; 32])),
        kdf: None,
        expires_in_seconds: None,
        expires_at: None,
        max_downloads: None,
        owner_token_hash: Some(token_hash(OWNER_TOKEN)),
        download_token_hash: Some(token_hash(DOWNLOAD_TOKEN)),
    })
}

fn token_hash(token: &str) -> TokenHash {
    TokenHash::from_digest(&Sha256::digest(token.as_bytes()).into())
}
