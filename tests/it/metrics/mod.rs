//! Metrics: exact after known traffic, silent about who sent what, bounded, and only for whoever may look.

mod access;
mod counts;
mod documents;
mod hostile;

use std::time::{Duration, Instant};

use crate::harness::{Http, METRICS_TOKEN, Scrape, Server, ServerOptions};

fn start() -> (Server, Http) {
    start_with(ServerOptions::default())
}

fn start_with(options: ServerOptions) -> (Server, Http) {
    let server = Server::start_with(options.env("HAULIER_METRICS_TOKEN", METRICS_TOKEN));
    let http = Http::new(&server);
    (server, http)
}

/// Looks until it holds: a request is counted when its last byte has left, which its client may see first.
async fn scrape_until(http: &Http, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let scrape = Scrape::of(http).await;
        if holds(&scrape) {
            return scrape;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "not yet: {what}\n{}", scrape.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
