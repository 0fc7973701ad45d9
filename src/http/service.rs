//! What is not about one transfer: configuration, liveness, readiness.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use haulier_wire::api::{RequestRate, ServerConfig};
use haulier_wire::limit::{MAX_CHUNK_SIZE_BYTES, MIN_CHUNK_SIZE_BYTES};
use haulier_wire::{ByteLen, ChunkCount, Problem, ProblemType, TokenHash};
use tokio::sync::Semaphore;

use super::problem::HttpError;
#[cfg(target_os = "linux")]
use super::sendfile::Senders;
use crate::config::Network;
use crate::entropy::Entropy;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use crate::transfer::state::Create;
use crate::transfer::{Clients, Rate, Transfers};

/// What every handler works with.
#[derive(Debug)]
pub struct Service {
    /// The use cases.
    pub transfers: Transfers,
    /// Whether the process is about to stop.
    pub shutdown: Shutdown,
    /// One permit for each request that may be under way.
    pub requests: Arc<Semaphore>,
    /// Who sends files.
    #[cfg(target_os = "linux")]
    pub senders: Senders,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who may read the metrics on the main listener; nobody when absent.
    pub metrics_token: Option<TokenHash>,
    /// Who requests come from.
    pub clients: Clients,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// Where the ids of requests come from.
    pub entropy: Arc<dyn Entropy>,
}

pub(super) async fn config(service: Data<Service>) -> HttpResponse {
    let limits = service.transfers.limits();
    let bytes = |value| ByteLen::new(value).unwrap_or(ByteLen::MAX);
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(ServerConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        max_file_bytes: bytes(limits.max_file_bytes),
        min_chunk_bytes: bytes(MIN_CHUNK_SIZE_BYTES),
        max_chunk_bytes: bytes(MAX_CHUNK_SIZE_BYTES),
        max_total_chunks: ChunkCount::new(limits.max_total_chunks).unwrap_or(ChunkCount::MIN),
        default_expires_in_seconds: limits.default_expiry.as_secs(),
        min_expires_in_seconds: limits.min_expiry.as_secs(),
        max_expires_in_seconds: limits.max_expiry.as_secs(),
        upload_expires_in_seconds: limits.upload_expiry.as_secs(),
        client_timeout_seconds: limits.client_timeout.as_secs(),
        download_limits: true,
        access_token_required: limits.create == Create::Token,
        max_total_bytes: limits.quotas.server_bytes.map(bytes),
        left_bytes: service.transfers.left_bytes().await.map(bytes),
        max_token_bytes: limits.quotas.token_bytes.map(bytes),
        max_open_uploads: limits.quotas.server_uploads,
        max_token_uploads: limits.quotas.token_uploads,
        client_rate: limits.client_rate.map(rate),
        token_rate: limits.token_rate.map(rate),
    })
}

fn rate(rate: Rate) -> RequestRate {
    RequestRate { requests: rate.requests, per_seconds: rate.per.as_secs() }
}

/// The process answers.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(serde_json::json!({ "status": "ok" }))
}

/// The process can do its work: both stores are reached, and it is not about to stop.
pub(super) async fn readyz(service: Data<Service>) -> Result<HttpResponse, HttpError> {
    if service.shutdown.has_begun() {
        return Err(Problem::new(ProblemType::Unavailable).into());
    }
    service.transfers.probe().await?;
    Ok(healthz().await)
}
