//! The composition root: configuration into stores, use cases and a listening server.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::entropy::SystemEntropy;
use crate::http::tls::Certificate;
use crate::http::{self, Service};
use crate::job;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use crate::transfer::Clients;

mod metered;
mod stores;

pub use stores::{Needed, Stores, foreign_store, migrate};

/// How long the database may take to close when nothing is waited for any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server that listens.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    stores: Stores,
    service: Arc<Service>,
    server: Server,
    metrics_server: Option<Server>,
    sweeper: JoinHandle<()>,
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
        let mut stores = Stores::open(config).await?;
        let metrics = Arc::new(Metrics::new(SystemClock.now())?);
        metered::measure(&metrics, &mut stores);
        let transfers = stores.transfers(config.limits);
        let service = Arc::new(Service {
            transfers,
            shutdown: Shutdown::default(),
            requests: Arc::new(Semaphore::new(config.max_requests)),
            #[cfg(target_os = "linux")]
            senders: http::Senders::new(tokio::runtime::Handle::current()),
            metrics,
            metrics_token: config.metrics_token.clone(),
            clients: Clients::new(Arc::new(SystemClock), Arc::new(SystemEntropy)),
            trusted_proxies: config.trusted_proxies.clone(),
            entropy: Arc::new(SystemEntropy),
        });
        metered::count_places(&service, config.max_requests);
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;

        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("HAULIER_LISTEN: cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
        let stopping = service.shutdown.clone();
        let stopping = async move { stopping.stopping().await };
        let server = http::listen(config, &service, listener, tls, stopping)?;
        let metrics_server = config.metrics_listen.map(|address| metered::listen(&service, address)).transpose()?;
        service.shutdown.follow_signals(config.drain_delay)?;
        reload_on_hangup(certificate)?;
        let (transfers, metrics) = (service.transfers.clone(), Arc::clone(&service.metrics));
        let sweeper = job::sweep_until_shutdown(transfers, metrics, service.shutdown.clone(), config.sweep_interval);
        let sweeper = tokio::spawn(sweeper);
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        Ok(Self { address, scheme, stores, service, server, metrics_server, sweeper })
    }

    /// Serves until asked to stop, then lets running requests finish; asked again, ends at once.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self) -> anyhow::Result<()> {
        // Metrics are shown until the end: stopping is when somebody looks.
        let metrics_server = self.metrics_server.map(tokio::spawn);
        let shutdown = self.service.shutdown.clone();
        let finished = async {
            self.server.await?;
            shutdown.begin();
            self.sweeper.await?;
            self.service.transfers.counts_saved().await;
            anyhow::Ok(())
        };
        tokio::select! {
            result = finished => result?,
            () = shutdown.cut() => {}
        }
        if let Some(server) = metrics_server {
            server.abort();
        }
        tokio::select! {
            () = self.stores.metadata.close() => {}
            () = async { shutdown.cut().await; tokio::time::sleep(LAST_WORDS).await } => {}
        }
        tracing::info!("stopped");
        Ok(())
    }
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
