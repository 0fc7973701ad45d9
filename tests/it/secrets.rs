//! No secret in any log: a send and a receive with planted secrets, everything logged, then searched.

use haulier_wire::header::LEASE;

use crate::harness::{
    DOWNLOAD_TOKEN, Haulier, Http, METRICS_TOKEN, OWNER_TOKEN, Reply, Sample, Scrape, Server, ServerOptions,
};

#[tokio::test]
async fn the_whole_log_of_a_send_and_a_receive_holds_no_secret() {
    for format in ["text", "json"] {
        log_holds_no_secret(format).await;
    }
}

async fn log_holds_no_secret(format: &str) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("server.log");
    // Everything that our own code and the framework would ever say.
    let options = ServerOptions::default().env("HAULIER_LOG", "trace").env("HAULIER_LOG_FORMAT", format);
    let options = options.env("HAULIER_METRICS_TOKEN", METRICS_TOKEN).log_to(&log);
    let mut server = Server::start_with(options);
    let http = Http::new(&server);

    let haulier = Haulier::new().env("HAULIER_PASSPHRASE", "planted-passphrase-4711");
    let path = haulier.file("planted-file-name.txt", b"planted-plaintext-4711");
    let sent = haulier.send(&path, server.url(), &["--passphrase", "--message", "planted-message-4711"]).await;
    haulier.get(&sent.link, &haulier.home().join("out")).await;
    let sample = Sample::new(65537, 65536);
    sample.send(&http).await;
    sample.get(&http, 0).await.ok();
    // Errors, too: a wrong token, a broken body, a token in the wrong place.
    let wrong = http.get(&format!("/api/transfers/manifest/{}", sample.id)).bearer_auth("planted-wrong-token-4711");
    Reply::to(wrong).await;
    Reply::to(http.post("/api/transfers/create").body("{\"owner_token_hash\":\"planted-body-4711\"}")).await;
    Reply::to(http.get(&format!("/api/transfers/info/{}?access_token=planted-query-4711", sample.id))).await;
    let lease = http.post(&format!("/api/transfers/lease/{}", sample.id)).bearer_auth(DOWNLOAD_TOKEN);
    Reply::to(lease.header(LEASE, "planted-lease-4711")).await.ok();
    Reply::to(http.get("/api/transfers/check-token/planted-access-4711")).await;
    Reply::to(http.post("/api/transfers/validate-token/planted-access-4711")).await;
    Reply::to(http.get("/api/transfers/info/aaaaaaaaaaaa").header("x-forwarded-for", "203.0.113.47")).await;
    Scrape::of(&http).await;
    sample.delete(&http).await.ok();

    server.signal("TERM");
    assert!(server.wait(std::time::Duration::from_secs(30)).success());
    let logged = std::fs::read_to_string(&log).expect("a log");
    assert!(logged.lines().count() > 20, "the log was captured");
    assert!(logged.contains("/api/transfers/upload/{id}/chunk/{n}"), "by route, not by path");
    let key = sent.link.trim_end_matches("/p").rsplit('/').next().expect("a key");
    let secrets = [
        key,
        OWNER_TOKEN,
        DOWNLOAD_TOKEN,
        METRICS_TOKEN,
        "planted-passphrase",
        "planted-file-name",
        "planted-plaintext",
        "planted-message",
        "planted-wrong-token",
        "planted-body",
        "planted-query",
        "planted-lease",
        "planted-access",
        "203.0.113.47",
        "127.0.0.1:5",
    ];
    for secret in secrets {
        for line in logged.lines() {
            assert!(!line.contains(secret), "{secret} in: {line}");
        }
    }
}
