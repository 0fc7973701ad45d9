//! Whatever is sent, the series stay few and hold nothing of it.

use reqwest::Method;

use super::start;
use crate::harness::{DOWNLOAD_TOKEN, Http, METRICS_TOKEN, OWNER_TOKEN, Reply, Sample, Scrape};

/// Requests that would each be a series of its own if anything of them became a label.
async fn noise(http: &Http, round: usize) {
    for number in 0..40 {
        let name = format!("planted{round}x{number}");
        let method = Method::from_bytes(name.to_uppercase().as_bytes()).expect("a method");
        Reply::try_to(http.request(method.clone(), "/api/config")).await.expect("a reply");
        Reply::try_to(http.request(method, &format!("/{name}"))).await.expect("a reply");
        for path in [
            format!("/{name}"),
            format!("/api/transfers/{name}"),
            format!("/api/transfers/info/{name}"),
            format!("/api/transfers/upl%6fad/{name}"),
            format!("/api/transfers/download/{name}/chunk/{number}?{name}={name}"),
            format!("/transfers/upload/{name}/chunk/{name}"),
            format!("/metrics/{name}"),
            format!("/%2e%2e/{name}"),
        ] {
            let request = http.get(&path).bearer_auth(&name).header("host", format!("{name}.example.org"));
            Reply::to(request.header("user-agent", &name).header("x-forwarded-for", "203.0.113.7")).await;
        }
    }
}

#[tokio::test]
async fn series_stay_few_and_hold_nothing_that_was_sent() {
    let (_server, http) = start();
    let sample = Sample::new(65_537, 65_536);
    sample.send(&http).await;
    sample.get(&http, 0).await.ok();
    noise(&http, 1).await;
    let first = Scrape::of(&http).await;
    noise(&http, 2).await;
    let second = Scrape::of(&http).await;
    let (before, after) = (first.series(), second.series());
    let fresh: Vec<_> = after.difference(&before).collect();
    assert!(fresh.iter().all(|(_, labels)| labels.get("route").is_some_and(|route| route == "/metrics")), "{fresh:?}");
    assert!(after.len() < 2000, "{}", after.len());
    let requests = "haulier_http_requests_total";
    assert!(second.sum(requests, &[("method", "other")]) >= 150.0);
    assert!(second.sum(requests, &[("route", "none")]) >= 150.0);
    for secret in [
        sample.id.as_str(),
        OWNER_TOKEN,
        DOWNLOAD_TOKEN,
        METRICS_TOKEN,
        "planted",
        "PLANTED",
        "example.org",
        "203.0.113.7",
        "127.0.0.1",
    ] {
        assert!(!second.text.contains(secret), "{secret} in {}", second.text);
    }
}
