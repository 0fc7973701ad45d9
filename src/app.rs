//! The composition root: configuration into stores, use cases and a listening server.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use actix_web::dev::Server;
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::blob::disk::DiskStore;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::entropy::SystemEntropy;
use crate::http::tls::Certificate;
use crate::http::{self, Service};
use crate::job;
use crate::lock::DirectoryLock;
use crate::metadata::MetadataStore;
use crate::metadata::sqlite::SqliteStore;
use crate::shutdown::Shutdown;
use crate::transfer::Transfers;

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
        let blobs = DiskStore::open(&config.blobs).context("HAULIER_BLOB_URL, or blobs in HAULIER_DATA_DIR")?;
        let blobs = Arc::new(blobs);
        let metadata = SqliteStore::open(&config.database).await;
        let metadata = metadata.context("HAULIER_DATABASE_URL, or haulier.sqlite in HAULIER_DATA_DIR")?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(metadata);
        let transfers =
            Transfers::new(Arc::clone(&metadata), blobs, Arc::new(SystemClock), Arc::new(SystemEntropy), config.limits);
        let service = Arc::new(Service {
            transfers,
            shutdown: Shutdown::default(),
            requests: Arc::new(Semaphore::new(config.max_requests)),
            #[cfg(target_os = "linux")]
            senders: http::Senders::new(tokio::runtime::Handle::current()),
        });
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;

        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("HAULIER_LISTEN: cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
        let stop = stop_requested(service.shutdown.clone())?;
        let server = http::listen(config, &service, listener, tls, stop)?;
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
