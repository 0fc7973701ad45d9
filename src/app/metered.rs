//! Puts the metrics around the stores, and lets them be seen.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context as _;

use super::Stores;
use crate::blob::BlobStore;
use crate::blob::metered::MeteredBlobs;
use crate::http::{self, Service};
use crate::metadata::MetadataStore;
use crate::metadata::metered::MeteredMetadata;
use crate::telemetry::metrics::Metrics;

/// How long somebody who looks may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Has the metrics of both stores kept; every use of them goes through what stands there afterwards.
pub(super) fn measure(metrics: &Metrics, stores: &mut Stores) {
    stores.blobs = blobs(metrics, stores.backends.blobs, Arc::clone(&stores.blobs));
    stores.metadata = metadata(metrics, stores.backends.metadata, Arc::clone(&stores.metadata));
}

fn blobs(metrics: &Metrics, backend: &'static str, store: Arc<dyn BlobStore>) -> Arc<dyn BlobStore> {
    let (counts, looked_at) = (metrics.blobs(backend), Arc::clone(&store));
    let metered = MeteredBlobs::new(store, &counts);
    metrics.before_each_look(move || counts.read_buffer(looked_at.buffer()));
    Arc::new(metered)
}

fn metadata(metrics: &Metrics, backend: &'static str, store: Arc<dyn MetadataStore>) -> Arc<dyn MetadataStore> {
    let (counts, looked_at) = (metrics.database(backend), Arc::clone(&store));
    let metered = MeteredMetadata::new(store, counts.clone());
    metrics.before_each_look(move || looked_at.pools().iter().for_each(|pool| counts.read_pool(pool)));
    Arc::new(metered)
}

/// Has the places of requests counted.
pub(super) fn count_places(service: &Service, most: usize) {
    let (http, places) = (service.metrics.http.clone(), Arc::clone(&service.requests));
    service.metrics.before_each_look(move || {
        let [most, left] = [most, places.available_permits()].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        http.places_left.set(left);
        http.under_way.set(most - left);
    });
}

/// The metrics' own listener: one worker, no TLS, no CORS.
pub(super) fn listen(service: &Arc<Service>, address: SocketAddr) -> anyhow::Result<Server> {
    let data = Data::from(Arc::clone(service));
    let listener =
        TcpListener::bind(address).with_context(|| format!("HAULIER_METRICS_LISTEN: cannot listen on {address}"))?;
    let server = HttpServer::new(move || {
        App::new().app_data(Data::clone(&data)).wrap(from_fn(http::observe)).configure(http::metrics_route)
    });
    Ok(server.workers(1).client_request_timeout(HEAD_TIMEOUT).disable_signals().listen(listener)?.run())
}
