//! HTTPS: both HTTP versions, certificates that can be replaced while the server runs.

use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::generate_simple_self_signed;
use reqwest::{Certificate, Client, Version};
use tempfile::TempDir;

use crate::harness::{Http, Reply, Sample, Server, ServerOptions, random_bytes};

/// Writes a new certificate and its key; returns the certificate in PEM.
fn write_certificate(folder: &Path) -> String {
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    made.cert.pem()
}

fn start(folder: &Path) -> Server {
    let options = ServerOptions::default()
        .env("HAULIER_TLS_CERT", folder.join("cert.pem"))
        .env("HAULIER_TLS_KEY", folder.join("key.pem"));
    Server::start_with(options)
}

/// A client that trusts one certificate alone and keeps no connection.
fn client(pem: &str, versions: fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Client {
    let trusted = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    let builder = Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([trusted]);
    versions(builder).build().expect("a client")
}

async fn trusts(server: &Server, pem: &str) -> bool {
    client(pem, |builder| builder).get(format!("{}/healthz", server.url())).send().await.is_ok()
}

#[tokio::test]
async fn https_speaks_http_1_and_http_2() {
    let folder = TempDir::new().expect("a folder");
    let pem = write_certificate(folder.path());
    let server = start(folder.path());
    assert!(server.url().starts_with("https://"));
    for (client, version) in [
        (client(&pem, |builder| builder.http1_only()), Version::HTTP_11),
        (client(&pem, |builder| builder), Version::HTTP_2),
    ] {
        let reply = client.get(format!("{}/healthz", server.url())).send().await.expect("a reply");
        assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
        let http = Http::with_client(&server, client);
        let sample = Sample::new(3 * 65_536 + 5, 65_536);
        sample.send(&http).await;
        for index in 0..4 {
            assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
        }
        // Problems look the same in both.
        sample.put(&http, 0, 9).await.is(haulier_wire::ProblemType::ChunkConflict);
        let chunk = http.put(&sample.chunk_path(0)).bearer_auth(crate::harness::OWNER_TOKEN);
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(random_bytes(65_564))]);
        let unsized_body = chunk.body(reqwest::Body::wrap_stream(stream));
        Reply::to(unsized_body).await.is(haulier_wire::ProblemType::LengthRequired);
    }
}

#[tokio::test]
async fn plain_http_gets_no_answer_from_https() {
    let folder = TempDir::new().expect("a folder");
    write_certificate(folder.path());
    let server = start(folder.path());
    let mut connection = crate::harness::Connection::open(&server).await;
    connection.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answered = connection.reply().await;
    assert!(answered.is_none_or(|reply| reply.status >= 400));
}

#[tokio::test]
async fn sighup_takes_a_new_certificate_and_leaves_the_old_one_where_the_new_is_broken() {
    let folder = TempDir::new().expect("a folder");
    let first = write_certificate(folder.path());
    let server = start(folder.path());
    assert!(trusts(&server, &first).await);

    let second = write_certificate(folder.path());
    assert!(trusts(&server, &first).await, "not before the signal");
    server.signal("HUP");
    let begun = Instant::now();
    while !trusts(&server, &second).await {
        assert!(begun.elapsed() < Duration::from_secs(10), "the new certificate is not used");
    }
    assert!(!trusts(&server, &first).await, "the old certificate is not used any more");

    // A key that does not belong to the certificate, then no certificate at all.
    let key = std::fs::read(folder.path().join("key.pem")).expect("read");
    write_certificate(folder.path());
    std::fs::write(folder.path().join("key.pem"), &key).expect("written");
    for broken in [None, Some("not a certificate"), Some("")] {
        if let Some(text) = broken {
            std::fs::write(folder.path().join("cert.pem"), text).expect("written");
        }
        server.signal("HUP");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(trusts(&server, &second).await, "{broken:?}");
    }
}
