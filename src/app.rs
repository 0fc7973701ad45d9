//! The composition root: configuration into stores, use cases and a listening server.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as ActixApp, HttpServer};
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::blob::BlobStore;
use crate::blob::disk::DiskStore;
use crate::blob::s3::S3Store;
use crate::clock::SystemClock;
use crate::config::{BlobLocation, Config};
use crate::entropy::{Entropy, SystemEntropy};
use crate::http::tls::Certificate;
use crate::http::{self, Service};
use crate::job;
use crate::lock::DirectoryLock;
use crate::metadata::MetadataStore;
use crate::metadata::sqlite::SqliteStore;
use crate::shutdown::Shutdown;
use crate::transfer::Transfers;

/// How long a connection whose body was refused is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(5);
/// How long a client may take to send a request's head, and to shake hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A server that listens.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    metadata: Arc<dyn MetadataStore>,
    service: Arc<Service>,
    server: Server,
    sweeper: JoinHandle<()>,
    _lock: DirectoryLock,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address).field("service", &self.service).finish_non_exhaustive()
    }
}

impl App {
    /// Opens the stores and begins to listen; requests are served once [`App::run`] is awaited.
    ///
    /// # Errors
    /// Whatever keeps the process from doing its work: folders, files, database, certificate, port.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        create_folder(&config.data_dir, "HAULIER_DATA_DIR")?;
        let lock = DirectoryLock::acquire(&config.data_dir)?;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let blobs = open_blobs(config, &entropy).await.context("HAULIER_BLOB_URL, or blobs in HAULIER_DATA_DIR")?;
        let metadata = SqliteStore::open(&config.database).await;
        let metadata = metadata.context("HAULIER_DATABASE_URL, or haulier.sqlite in HAULIER_DATA_DIR")?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(metadata);
        let transfers = Transfers::new(Arc::clone(&metadata), blobs, Arc::new(SystemClock), entropy, config.limits);
        let service = Arc::new(Service {
            transfers,
            shutdown: Shutdown::default(),
            requests: Arc::new(Semaphore::new(config.max_requests)),
        });
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;

        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("HAULIER_LISTEN: cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let server = listen(config, &service, listener, certificate.as_ref())?;
        reload_on_hangup(certificate)?;
        let sweeper = tokio::spawn(job::sweep_until_shutdown(Arc::clone(&service), config.sweep_interval));
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        Ok(Self { address, scheme, metadata, service, server, sweeper, _lock: lock })
    }

    /// Serves until asked to stop, then lets running requests finish.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self) -> anyhow::Result<()> {
        self.server.await?;
        self.service.shutdown.begin();
        self.sweeper.await?;
        self.metadata.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn open_blobs(config: &Config, entropy: &Arc<dyn Entropy>) -> anyhow::Result<Arc<dyn BlobStore>> {
    Ok(match &config.blobs {
        BlobLocation::Folder(folder) => Arc::new(DiskStore::open(folder)?),
        BlobLocation::S3(location) => {
            Arc::new(S3Store::open(location, config.s3_buffer_bytes, Arc::clone(entropy)).await?)
        }
    })
}

fn listen(
    config: &Config,
    service: &Arc<Service>,
    listener: TcpListener,
    certificate: Option<&Arc<Certificate>>,
) -> anyhow::Result<Server> {
    let data = Data::from(Arc::clone(service));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(Data::clone(&data))
            .wrap(from_fn(http::admit))
            .wrap(http::cors())
            .wrap(from_fn(http::observe))
            .configure(http::routes)
    })
    .workers(workers)
    .max_connections(config.max_connections.div_ceil(workers))
    // The end of a chunk must not wait until the client acknowledges what came before: it takes its time, up to 40 ms.
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(LINGER)
    .tls_handshake_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(config.shutdown_timeout.as_secs())
    .shutdown_signal(stop_requested(service.shutdown.clone())?);
    let server = match certificate {
        Some(certificate) => server.listen_rustls_0_23(listener, certificate.server_config()?)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Ends on SIGTERM or SIGINT, after readiness has turned false.
fn stop_requested(shutdown: Shutdown) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.begin();
        tracing::info!("stopping: running requests may finish");
    })
}

/// Reads the certificate again on SIGHUP; without TLS the signal is ignored rather than deadly.
fn reload_on_hangup(certificate: Option<Arc<Certificate>>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(certificate) = certificate.clone() else { continue };
            match tokio::task::spawn_blocking(move || certificate.reload()).await {
                Ok(Ok(())) => tracing::info!("the TLS certificate was read again"),
                Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "the old TLS certificate stays"),
                Err(error) => tracing::error!(error = %error, "the old TLS certificate stays"),
            }
        }
    });
    Ok(())
}

fn create_folder(path: &Path, variable: &str) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("{variable}: cannot make the folder {}", path.display()))
}
