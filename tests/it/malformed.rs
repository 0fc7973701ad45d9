//! What is not HTTP: the framework answers or closes, with an empty body, and the server serves on.
//!
//! These replies are the only 4xx without a problem document: they come before there is a request.

use crate::harness::{Connection, Http, Reply, Server};

#[tokio::test]
async fn bytes_that_are_no_request_end_their_connection_alone() {
    let server = Server::start();
    let http = Http::new(&server);
    let many_headers = (0..200).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let long = "x".repeat(200 << 10);
    for (bytes, status) in [
        ("\r\n\r\nnonsense\r\n\r\n".into(), 400),
        ("GET\r\n\r\n".into(), 400),
        ("GET /healthz\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/9.9\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n".into(), 400),
        ("GET /heal thz HTTP/1.1\r\nhost: x\r\n\r\n".into(), 400),
        ("G\u{0}T /healthz HTTP/1.1\r\nhost: x\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nfolded: a\r\n b\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nnul: \u{0}\r\n\r\n".into(), 400),
        ("POST /api/transfers/create HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".into(), 400),
        ("POST /api/transfers/create HTTP/1.0\r\nhost: x\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n".into(), 400),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many_headers}\r\n"), 431),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n"), 431),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(1 << 20)), 431),
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", &long[..70_000]), 400),
    ] {
        let mut connection = Connection::open(&server).await;
        connection.send(&bytes).await;
        let shown = &bytes[..bytes.len().min(60)];
        if let Some(reply) = connection.reply().await {
            assert_eq!((reply.status, reply.body.len()), (status, 0), "{shown:?}: {reply:?}");
            assert!(connection.is_closed().await, "{shown:?}");
        }
        Reply::to(http.get("/healthz")).await.ok();
    }
}

#[tokio::test]
async fn odd_but_valid_requests_are_answered_as_any_other() {
    let server = Server::start();
    for (bytes, status) in [
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        ("GET /healthz?a=b&c HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: something-else\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 200),
        ("BREW /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        ("get /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        ("CONNECT elsewhere.example:443 HTTP/1.1\r\nhost: x\r\n\r\n", 404),
    ] {
        let mut connection = Connection::open(&server).await;
        connection.send(bytes).await;
        let reply = connection.reply().await.unwrap_or_else(|| panic!("no answer to {bytes:?}"));
        assert_eq!(reply.status, status, "{bytes:?}: {reply:?}");
        if status >= 400 {
            assert!(reply.head.contains("content-type: application/problem+json"), "{bytes:?}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body() {
    let server = Server::start();
    let mut connection = Connection::open(&server).await;
    connection
        .send("POST /api/transfers/create HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    assert_eq!(connection.reply().await.expect("go on").status, 100);
    connection.send("[]").await;
    connection.reply().await.expect("an answer").is(haulier_wire::ProblemType::InvalidBody);
}
