//! A client that stops in the middle of a request: 408, nothing kept, nobody else disturbed.

use std::time::Duration;

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use crate::harness::{Connection, Http, Sample, Server, ServerOptions, eventually, files_below};

/// Clients open connections ahead; what a server says unasked they would take for the answer to their first request.
#[tokio::test]
async fn a_connection_on_which_nothing_was_asked_ends_without_a_word() {
    let server = Server::start();
    let (mut silent, mut begun) = (Connection::open(&server).await, Connection::open(&server).await);
    begun.send("GET /healthz HTTP/1.1\r\n").await;
    assert!(silent.is_closed().await);
    assert_eq!(begun.reply().await.expect("an answer").status, 408);
}

/// Bytes that come often enough, and yet would hold their place for ever.
#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_CLIENT_TIMEOUT", "1s"));
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    let mut connection = Connection::open(&server).await;
    connection.send(sample.put_head(0, "content-length: 29\r\n")).await;
    // 29 bytes within 3 s, where one pause and 29 / 1024 s are allowed.
    for byte in sample.chunk(0, 0) {
        connection.send([byte]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    connection.reply().await.expect("an answer").is(ProblemType::RequestTimeout);
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.stored_chunks, 0);
}

#[tokio::test]
async fn a_body_that_pauses_is_given_up() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_CLIENT_TIMEOUT", "1s"));
    let http = Http::new(&server);
    let sample = Sample::new(65_537, 65_536);
    sample.create(&http).await.ok();
    let id = sample.id;
    let token = crate::harness::OWNER_TOKEN;
    let head = |line: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n")
    };
    let mut waiting = Vec::new();
    for request in [
        sample.put_head(0, "content-length: 65564\r\n"),
        head("POST /api/transfers/create"),
        head(&format!("PATCH /api/transfers/upload/{id}")),
        head(&format!("POST /api/transfers/complete/{id}")),
        head("POST /api/transfers/create").replace("content-length: 100", "transfer-encoding: chunked"),
    ] {
        let mut connection = Connection::open(&server).await;
        let is_chunked = request.contains("chunked");
        connection.send(request).await;
        connection.send(if is_chunked { "1\r\n{\r\n" } else { "{" }).await;
        waiting.push(connection);
    }
    assert_eq!(sample.put(&http, 1, 0).await.ok().status, 201, "others go on meanwhile");
    for mut connection in waiting {
        let reply = connection.reply().await.expect("an answer");
        reply.is(ProblemType::RequestTimeout);
        // What is left of the body would be taken for the next request.
        assert!(reply.head.contains("connection: close"), "{}", reply.head);
        // A byte that comes too late changes nothing, and the connection ends.
        connection.send("}").await;
        connection.finish().await;
        assert!(connection.is_closed().await);
    }
    let staging = server.data_dir().join("blobs/staging");
    eventually("staging is empty", || files_below(&staging).is_empty()).await;
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.stored_chunks, status.missing), (1, vec![[0, 0]]));
    assert_eq!(sample.put(&http, 0, 0).await.ok().status, 201);
}
