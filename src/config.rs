//! Environment and flags into one checked structure. Every error names the variable that it is about.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::{Args, Parser};
use haulier_wire::TokenHash;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::transfer::Token;
use crate::transfer::state::Limits;

mod blob_url;
pub mod command;
mod database;
mod limits;
mod network;
pub mod token;
mod unit;

pub use blob_url::{BlobLocation, S3Location};
pub use command::Command;
pub use database::{Database, DatabaseUrl};
pub use network::Network;

/// Shortest token that keeps the metrics: everybody who reaches the server may guess.
const MIN_METRICS_TOKEN_BYTES: usize = 16;

/// Haulier's server: stores sealed chunks that it cannot open.
#[derive(Debug, Parser)]
#[command(
    name = "haulier-server",
    version,
    about = "A self-hosted, zero-knowledge server for sending files of any size.",
    long_about = "A self-hosted, zero-knowledge server for sending files of any size.\n\n\
        It stores encrypted chunks and has no code that could open them. Without any setting it listens on \
        http://127.0.0.1:8080 and keeps everything below ./haulier-data: an SQLite file and the chunks.",
    after_help = "Every setting is an environment variable and a flag; a flag wins. Durations: 30s, 10m, 12h, 7d. \
        Sizes: 512KiB, 64MiB, 10GiB, 2TiB, or plain bytes.\n\n\
        Signals: SIGTERM and SIGINT stop it after running requests have finished, a second one at once; SIGHUP reads \
        the TLS certificate again.\n\n\
        Exit status: 0 stopped as asked, 1 failed while starting or running, 2 wrong flags or settings. The other \
        commands: 0 done and well, 1 failed or damage found, 2 wrong flags or settings."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

/// The settings as they are given: texts, checked in [`Config::new`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "HAULIER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR:PORT", global = true)]
    listen: String,
    /// Folder of the embedded default: the SQLite file and the chunks
    #[arg(long, env = "HAULIER_DATA_DIR", default_value = "./haulier-data", value_name = "DIR", global = true)]
    data_dir: PathBuf,
    /// Where transfers are recorded: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/NAME, which many servers can
    /// share [default: haulier.sqlite in the data folder]
    #[arg(long, env = "HAULIER_DATABASE_URL", hide_env_values = true, value_name = "URL", global = true)]
    database_url: Option<DatabaseUrl>,
    /// Most connections to Postgres at a time; SQLite needs no such limit
    #[arg(long, env = "HAULIER_DATABASE_CONNECTIONS", default_value = "8", value_name = "COUNT", global = true)]
    database_connections: String,
    /// Where chunks are stored: file:///DIR, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME [default: blobs in the data folder]
    #[arg(long, env = "HAULIER_BLOB_URL", hide_env_values = true, value_name = "URL", global = true)]
    blob_url: Option<String>,
    /// Memory for chunks that are kept until an S3 store has them, so that they can be sent to it again
    #[arg(long, env = "HAULIER_S3_BUFFER", default_value = "256MiB", value_name = "SIZE", global = true)]
    s3_buffer: String,
    /// The address that people reach this server at, for what it prints at start
    #[arg(long, env = "HAULIER_PUBLIC_URL", value_name = "URL", global = true)]
    public_url: Option<String>,
    /// Proxies whose X-Forwarded-For names the client: addresses and networks, such as 127.0.0.1,10.0.0.0/8
    #[arg(long, env = "HAULIER_TRUSTED_PROXIES", value_name = "NETWORKS", global = true)]
    trusted_proxies: Option<String>,
    /// PEM file with the certificate chain; turns on HTTPS with HTTP/2
    #[arg(long, env = "HAULIER_TLS_CERT", value_name = "FILE", global = true)]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "HAULIER_TLS_KEY", value_name = "FILE", global = true)]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: limits::LimitSettings,
    /// Most connections at a time; one with HTTP/2 may hold 2 MiB that were sent and not read yet
    #[arg(long, env = "HAULIER_MAX_CONNECTIONS", default_value = "1024", value_name = "COUNT", global = true)]
    max_connections: String,
    /// Most requests under way at a time; each costs at most 2 MiB of memory, usually less than 0.5
    #[arg(long, env = "HAULIER_MAX_REQUESTS", default_value = "512", value_name = "COUNT", global = true)]
    max_requests: String,
    /// When asked to stop: not ready any more, but serve on for so long, until a load balancer has noticed
    #[arg(long, env = "HAULIER_DRAIN_DELAY", default_value = "0s", value_name = "TIME", global = true)]
    drain_delay: String,
    /// How long running requests may take to finish when the server stops
    #[arg(long, env = "HAULIER_SHUTDOWN_TIMEOUT", default_value = "30s", value_name = "TIME", global = true)]
    shutdown_timeout: String,
    /// How often expired and abandoned transfers are removed from disk
    #[arg(long, env = "HAULIER_SWEEP_INTERVAL", default_value = "10m", value_name = "TIME", global = true)]
    sweep_interval: String,
    /// A listener of its own for GET /metrics, such as 127.0.0.1:9090; without a token whoever reaches it may read
    #[arg(long, env = "HAULIER_METRICS_LISTEN", value_name = "ADDR:PORT", global = true)]
    metrics_listen: Option<String>,
    /// Token for GET /metrics, which is then on the main listener, too; 16 to 256 characters
    #[arg(long, env = "HAULIER_METRICS_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    metrics_token: Option<String>,
    /// What to log: error, warn, info, debug, trace, or a filter such as info,sqlx=warn
    #[arg(
        long,
        env = "HAULIER_LOG",
        default_value = "info,actix_server=warn,actix_http=off",
        value_name = "FILTER",
        global = true
    )]
    log: String,
    /// How the log on standard error looks: text or json
    #[arg(long, env = "HAULIER_LOG_FORMAT", default_value = "text", value_name = "FORMAT", global = true)]
    log_format: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the certificate chain and its key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// The settings, checked.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of the embedded default.
    pub data_dir: PathBuf,
    /// Where transfers are recorded.
    pub database: Database,
    /// Most connections to Postgres at a time.
    pub database_connections: u32,
    /// Where the chunks are.
    pub blobs: BlobLocation,
    /// Memory for chunks that an S3 store may have to be sent again.
    pub s3_buffer_bytes: u64,
    /// What people reach this server at.
    pub public_url: Option<Url>,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// HTTPS when present.
    pub tls: Option<TlsFiles>,
    /// What is accepted.
    pub limits: Limits,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most requests under way at a time.
    pub max_requests: usize,
    /// How long to serve on after readiness has turned false.
    pub drain_delay: Duration,
    /// Where the metrics have a listener of their own.
    pub metrics_listen: Option<SocketAddr>,
    /// Whose holder may read the metrics.
    pub metrics_token: Option<TokenHash>,
    /// How long running requests may take at the end.
    pub shutdown_timeout: Duration,
    /// Time between sweeps.
    pub sweep_interval: Duration,
    /// What to log.
    pub log: String,
    /// How the log looks.
    pub log_format: LogFormat,
}

impl Cli {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting that is wrong, by the name of its variable.
    pub fn check(self) -> anyhow::Result<(Command, Config)> {
        let command = self.command.unwrap_or(Command::Serve);
        match &command {
            Command::Transfer(what) => drop(what.id()?),
            Command::Token(what) => what.check()?,
            _ => {}
        }
        Ok((command, Config::new(self.settings)?))
    }
}

impl Config {
    fn new(settings: Settings) -> anyhow::Result<Self> {
        let limits = settings.limits.check()?;
        EnvFilter::try_new(&settings.log).context("HAULIER_LOG: not a log filter")?;
        let data_dir = settings.data_dir;
        let sweep_interval = unit::duration("HAULIER_SWEEP_INTERVAL", &settings.sweep_interval)?;
        ensure!(!sweep_interval.is_zero(), "HAULIER_SWEEP_INTERVAL: must be at least 1s");
        Ok(Self {
            listen: address("HAULIER_LISTEN", &settings.listen)?,
            database: match settings.database_url {
                Some(url) => url.check()?,
                None => Database::Sqlite(data_dir.join("haulier.sqlite")),
            },
            database_connections: unit::count(
                "HAULIER_DATABASE_CONNECTIONS",
                &settings.database_connections,
                2,
                10_000,
            )?
            .try_into()?,
            blobs: match &settings.blob_url {
                Some(url) => BlobLocation::parse(url)?,
                None => BlobLocation::Folder(data_dir.join("blobs")),
            },
            s3_buffer_bytes: unit::bytes("HAULIER_S3_BUFFER", &settings.s3_buffer)?,
            public_url: settings.public_url.as_deref().map(public_url).transpose()?,
            trusted_proxies: network::list("HAULIER_TRUSTED_PROXIES", settings.trusted_proxies.as_deref())?,
            tls: tls_files(settings.tls_cert, settings.tls_key)?,
            limits,
            max_connections: unit::count("HAULIER_MAX_CONNECTIONS", &settings.max_connections, 1, 1 << 20)?
                .try_into()?,
            max_requests: unit::count("HAULIER_MAX_REQUESTS", &settings.max_requests, 1, 1 << 20)?.try_into()?,
            drain_delay: unit::duration("HAULIER_DRAIN_DELAY", &settings.drain_delay)?,
            metrics_listen: settings
                .metrics_listen
                .as_deref()
                .map(|text| address("HAULIER_METRICS_LISTEN", text))
                .transpose()?,
            metrics_token: settings.metrics_token.as_deref().map(metrics_token).transpose()?,
            shutdown_timeout: unit::duration("HAULIER_SHUTDOWN_TIMEOUT", &settings.shutdown_timeout)?,
            sweep_interval,
            data_dir,
            log: settings.log,
            log_format: log_format(&settings.log_format)?,
        })
    }
}

fn address(variable: &str, text: &str) -> anyhow::Result<SocketAddr> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| anyhow!("{variable}: expected ADDRESS:PORT, such as 127.0.0.1:8080"))
}

fn metrics_token(text: &str) -> anyhow::Result<TokenHash> {
    let token = Token::new(text).filter(|_| text.len() >= MIN_METRICS_TOKEN_BYTES);
    Ok(token.context("HAULIER_METRICS_TOKEN: expected 16 to 256 visible ASCII characters")?.hash())
}

fn log_format(text: &str) -> anyhow::Result<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => bail!("HAULIER_LOG_FORMAT: expected text or json"),
    }
}

fn public_url(text: &str) -> anyhow::Result<Url> {
    let expected = "HAULIER_PUBLIC_URL: expected http:// or https:// and a host";
    let url = Url::parse(text).map_err(|_| anyhow!(expected))?;
    ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), expected);
    ensure!(url.username().is_empty() && url.password().is_none(), "HAULIER_PUBLIC_URL: must not hold a password");
    Ok(url)
}

fn tls_files(cert: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<TlsFiles>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("HAULIER_TLS_KEY: must be set together with HAULIER_TLS_CERT"),
        (None, Some(_)) => bail!("HAULIER_TLS_CERT: must be set together with HAULIER_TLS_KEY"),
    }
}

/// Variables that look like settings and are none: most likely a typing error.
#[must_use]
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    use clap::CommandFactory as _;
    let command = Cli::command();
    let known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    // The CLI's own, which may well stand in the same environment.
    let clients = ["HAULIER_SERVER", "HAULIER_ACCESS_TOKEN", "HAULIER_PASSPHRASE"];
    let is_unknown = |name: &String| {
        name.starts_with("HAULIER_")
            && !name.starts_with("HAULIER_TEST_")
            && !known.contains(&name.as_str())
            && !clients.contains(&name.as_str())
    };
    names.filter(is_unknown).collect()
}

#[cfg(test)]
mod tests;
