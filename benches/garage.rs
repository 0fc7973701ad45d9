//! A Garage of the benchmark's own: the S3 store behind Haulier, and the baseline when it is asked directly.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::{Client, Config};
use tokio::runtime::Runtime;

use crate::folder::WorkFolder;
use crate::http::{Connection, Request};
use crate::process::Process;

const BUCKET: &str = "haulier-bench";
const REGION: &str = "garage";
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET: &str = "5f0c1e2d3b4a59687786958473625140f1e2d3c4b5a69788796a5b4c3d2e1f00";
const LONGEST_START: Duration = Duration::from_secs(30);
/// A whole benchmark takes less.
const VALID: Duration = Duration::from_secs(12 * 3600);

/// A running Garage on an empty folder.
#[derive(Debug)]
pub(crate) struct Garage {
    pub(crate) process: Process,
    /// Of its S3 API.
    pub(crate) address: SocketAddr,
    data: PathBuf,
    client: Client,
    runtime: Runtime,
}

impl Garage {
    /// Starts it with default settings, but for compression, which would only burn what the ciphertext leaves of it.
    pub(crate) fn start(folder: &WorkFolder, name: &str) -> anyhow::Result<Self> {
        let home = folder.make(name)?;
        let [api, rpc, admin] = free_addresses()?;
        let config = home.join("garage.toml");
        let text = format!(
            "metadata_dir = {:?}\ndata_dir = {:?}\ndb_engine = \"lmdb\"\nreplication_factor = 1\n\
             compression_level = \"none\"\nrpc_bind_addr = \"{rpc}\"\nrpc_public_addr = \"{rpc}\"\n\
             rpc_secret = \"{SECRET}\"\n[s3_api]\ns3_region = \"{REGION}\"\napi_bind_addr = \"{api}\"\n\
             [admin]\napi_bind_addr = \"{admin}\"\n",
            home.join("meta"),
            home.join("data"),
        );
        fs::write(&config, text)?;
        let mut command = Command::new("garage");
        command.arg("-c").arg(&config).args(["server", "--single-node", "--default-bucket"]);
        command.env("RUST_LOG", "error").env("GARAGE_DEFAULT_BUCKET", BUCKET);
        command.env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY).env("GARAGE_DEFAULT_SECRET_KEY", SECRET);
        let log = fs::File::create(home.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let process = Process::start(&mut command).context("scripts/install-test-tools installs it")?;
        wait_until_ready(admin)?;
        let client = Client::from_conf(client_settings(api));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { process, address: api, data: home.join("data"), client, runtime })
    }

    /// What a server needs to keep its chunks below `prefix`.
    pub(crate) fn settings(&self, prefix: &str) -> Vec<(&'static str, OsString)> {
        let url = format!("s3://{BUCKET}/{prefix}?endpoint=http://{}&region={REGION}", self.address);
        vec![
            ("HAULIER_BLOB_URL", url.into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
        ]
    }

    /// Requests that PUT objects without any help: signed in advance, so that the load generator only sends them.
    pub(crate) fn put_requests(&self, keys: impl Iterator<Item = String>) -> anyhow::Result<Vec<Request<'static>>> {
        let presigning = PresigningConfig::expires_in(VALID)?;
        keys.map(|key| {
            let put = self.client.put_object().bucket(BUCKET).key(key).presigned(presigning.clone());
            ready("PUT", &self.runtime.block_on(put)?)
        })
        .collect()
    }

    /// As [`Garage::put_requests`], to GET them.
    pub(crate) fn get_requests(&self, keys: impl Iterator<Item = String>) -> anyhow::Result<Vec<Request<'static>>> {
        let presigning = PresigningConfig::expires_in(VALID)?;
        keys.map(|key| {
            let get = self.client.get_object().bucket(BUCKET).key(key).presigned(presigning.clone());
            ready("GET", &self.runtime.block_on(get)?)
        })
        .collect()
    }

    /// Gives the room of all blocks back. Objects that lie in them can be listed, but never be read again.
    pub(crate) fn empty(&self, folder: &WorkFolder) -> anyhow::Result<()> {
        folder.empty_below(&self.data)?;
        folder.settle()
    }

    pub(crate) fn version() -> Option<String> {
        let output = Command::new("garage").arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.split_whitespace().nth(1)?.trim_start_matches('v').to_owned())
    }
}

fn client_settings(api: SocketAddr) -> Config {
    Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(format!("http://{api}"))
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET, None, None, "bench"))
        .force_path_style(true)
        // A presigned request cannot carry the checksum of a body that is not there yet.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .build()
}

fn ready(method: &'static str, signed: &PresignedRequest) -> anyhow::Result<Request<'static>> {
    ensure!(signed.headers().next().is_none(), "a presigned request wants headers");
    let (_, rest) = signed.uri().split_once("://").context("an absolute URL")?;
    let path = &rest[rest.find('/').context("a path")?..];
    Ok(Request { method, path: path.to_owned(), token: None })
}

/// Addresses that were free a moment ago.
fn free_addresses<const COUNT: usize>() -> anyhow::Result<[SocketAddr; COUNT]> {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); COUNT];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.as_ref().map_err(|_| anyhow::anyhow!("no free port"))?.local_addr()?;
    }
    Ok(addresses)
}

fn wait_until_ready(admin: SocketAddr) -> anyhow::Result<()> {
    let health = || {
        TcpStream::connect(admin)?;
        let request = Request { method: "GET", path: "/health".to_owned(), token: None };
        Connection::open(admin)?.exchange(&request, &[], |_| {})
    };
    let begun = Instant::now();
    while health().is_err() {
        ensure!(begun.elapsed() < LONGEST_START, "Garage does not get ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
