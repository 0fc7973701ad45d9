//! Who may look: whoever has the token, or reaches the metrics' own listener.

use haulier_wire::ProblemType;
use reqwest::Method;

use super::start;
use crate::harness::{Http, METRICS_TOKEN, Reply, Scrape, Server, ServerOptions, free_address};

#[tokio::test]
async fn without_a_setting_nothing_is_there() {
    let server = Server::start();
    let http = Http::new(&server);
    Reply::to(http.get("/metrics")).await.is(ProblemType::RouteNotFound);
    Reply::to(http.get("/metrics").bearer_auth(METRICS_TOKEN)).await.is(ProblemType::RouteNotFound);
}

#[tokio::test]
async fn the_main_listener_asks_for_the_token() {
    let (_server, http) = start();
    Reply::to(http.get("/metrics")).await.is(ProblemType::MissingToken);
    for wrong in
        ["x", "the-metrics-token-of-the-test", "the-metrics-token-of-the-tests-", &METRICS_TOKEN.to_uppercase()]
    {
        Reply::to(http.get("/metrics").bearer_auth(wrong)).await.is(ProblemType::WrongToken);
    }
    let head = Reply::to(http.request(Method::HEAD, "/metrics").bearer_auth(METRICS_TOKEN)).await.ok();
    assert!(head.body.is_empty());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = Reply::to(http.request(method, "/metrics").bearer_auth(METRICS_TOKEN)).await;
        assert_eq!(reply.header("allow"), "GET, HEAD");
        reply.is(ProblemType::MethodNotAllowed);
    }
    assert!(Scrape::of(&http).await.value("haulier_http_sent_bytes_total") > 0.0);
}

#[tokio::test]
async fn a_listener_of_their_own_has_nothing_else() {
    let address = free_address();
    let server = Server::start_with(ServerOptions::default().env("HAULIER_METRICS_LISTEN", address.to_string()));
    let http = Http::new(&server);
    Reply::to(http.get("/metrics")).await.is(ProblemType::RouteNotFound);
    let own = Http::at(&format!("http://{address}"));
    let reply = Reply::to(own.get("/metrics")).await.ok();
    Scrape::parse(std::str::from_utf8(&reply.body).expect("UTF-8"));
    for path in ["/", "/api/config", "/readyz", "/api/transfers/create"] {
        Reply::to(own.get(path)).await.is(ProblemType::RouteNotFound);
    }
}

#[tokio::test]
async fn a_token_counts_on_every_listener() {
    let address = free_address();
    let options = ServerOptions::default()
        .env("HAULIER_METRICS_LISTEN", address.to_string())
        .env("HAULIER_METRICS_TOKEN", METRICS_TOKEN);
    let _server = Server::start_with(options);
    let own = Http::at(&format!("http://{address}"));
    Reply::to(own.get("/metrics")).await.is(ProblemType::MissingToken);
    Scrape::of(&own).await;
}
