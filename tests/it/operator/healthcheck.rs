//! Healthcheck: 0 while the server is ready, 1 with the reason otherwise; also over TLS.

use std::net::TcpListener;

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use super::{operate_with, stderr, stdout};
use crate::harness::{Server, ServerOptions};

/// Asks at `address`; exit status and all that was printed.
async fn check(address: &str, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let nowhere = std::path::Path::new("/nowhere");
    let env = [&[("HAULIER_LISTEN", address)][..], env].concat();
    let output = operate_with(nowhere, &["healthcheck"], &env).await;
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[tokio::test]
async fn a_server_is_ready_until_it_is_not() {
    let mut server = Server::start();
    let (status, text) = check(server.address(), &[]).await;
    assert_eq!((status, text), (Some(0), format!("{} is ready\n", server.address())));
    let port = server.address().rsplit(':').next().expect("a port");
    assert_eq!(check(&format!("0.0.0.0:{port}"), &[]).await.0, Some(0), "all addresses: the loopback answers");

    // Its blob store is away.
    let staging = server.data_dir().join("blobs/staging");
    std::fs::remove_dir(&staging).expect("removed");
    let (status, text) = check(server.address(), &[]).await;
    assert_eq!(status, Some(1));
    assert!(text.contains("is not ready: its database or its blob store is away"), "{text}");
    std::fs::create_dir(&staging).expect("made");
    assert_eq!(check(server.address(), &[]).await.0, Some(0));

    let address = server.address().to_owned();
    server.kill();
    let (status, text) = check(&address, &[]).await;
    assert_eq!(status, Some(1));
    assert!(text.contains(&format!("nothing listens on {address}")), "{text}");
}

#[tokio::test]
async fn over_tls_any_certificate_will_do() {
    let folder = TempDir::new().expect("a folder");
    let write = || {
        let made = generate_simple_self_signed(["send.example".to_owned()]).expect("a certificate");
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    };
    write();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name).display().to_string());
    let env = [("HAULIER_TLS_CERT", cert.as_str()), ("HAULIER_TLS_KEY", key.as_str())];
    let server = Server::start_with(
        env.iter().fold(ServerOptions::default(), |options, (name, value)| options.env(name, value)),
    );
    assert_eq!(check(server.address(), &env).await.0, Some(0));
    // Renewed and not reloaded yet.
    write();
    assert_eq!(check(server.address(), &env).await.0, Some(0));
    assert_eq!(check(server.address(), &[]).await.0, Some(1), "plain text to a TLS port");
}

#[tokio::test]
async fn who_never_answers_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let begun = std::time::Instant::now();
    let (status, text) = check(&address, &[]).await;
    assert_eq!(status, Some(1));
    assert!(text.contains("no answer"), "{text}");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(check("127.0.0.1:0", &[]).await.0, Some(1), "port 0 says nothing");
}
