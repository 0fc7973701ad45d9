//! A chunk's body has exactly its length, and says so before it comes.

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use crate::harness::{Connection, Http, Reply, Sample, Server, eventually, files_below};

async fn nothing_is_kept(server: &Server, http: &Http, sample: &Sample) {
    let status: UploadStatus = sample.status(http).await.ok().json();
    assert_eq!((status.stored_chunks, status.stored_bytes.get()), (0, 0));
    let blobs = server.data_dir().join("blobs");
    eventually("staging and transfers are empty", || {
        files_below(&blobs.join("staging")).is_empty() && files_below(&blobs.join("transfers")).is_empty()
    })
    .await;
}

#[tokio::test]
async fn another_length_is_refused_and_nothing_is_kept() {
    let server = Server::start();
    let http = Http::new(&server);
    // Sealed chunks of 65564 and 29 bytes.
    let sample = Sample::new(65_537, 65_536);
    sample.create(&http).await.ok();
    for (index, expected) in [(0, 65_564), (1, 29)] {
        for len in [0, 1, 28, expected - 1, expected + 1, expected + 100_000] {
            if len == expected {
                continue;
            }
            let request = sample.put_request(&http, index, vec![7; len]).header("content-length", len);
            let reply = Reply::to(request).await;
            let kind = if len < expected { ProblemType::WrongChunkLength } else { ProblemType::BodyTooLarge };
            let problem = reply.is(kind);
            let expected = Some(expected as u64);
            assert_eq!((problem.expected_bytes, problem.max_bytes), (expected, expected), "{len}");
        }
    }
    nothing_is_kept(&server, &http, &sample).await;
    for index in 0..2 {
        assert_eq!(sample.put(&http, index, 0).await.ok().status, 201);
    }
}

#[tokio::test]
async fn a_length_is_required() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    let put = sample.put_head(0, "");
    let chunked =
        sample.put_head(0, "transfer-encoding: chunked\r\n") + "1d\r\n01234567890123456789012345678\r\n0\r\n\r\n";
    for request in [&put, &put.replace("PUT", "POST"), &chunked, &chunked.replace("PUT", "POST")] {
        let mut connection = Connection::open(&server).await;
        connection.send(request).await;
        connection.reply().await.expect("an answer").is(ProblemType::LengthRequired);
    }
    nothing_is_kept(&server, &http, &sample).await;
    assert_eq!(sample.put(&http, 0, 0).await.ok().status, 201);
}

/// Two readers could find two different ends of such a request: the framework refuses it, without a body.
#[tokio::test]
async fn a_length_that_can_be_read_in_two_ways_ends_the_connection() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    for headers in [
        "content-length: 29\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 29\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "content-length: 29\r\ncontent-length: 30\r\n",
        "content-length: 29\r\ncontent-length: 29\r\n",
        "content-length: 29, 29\r\n",
        "content-length: -1\r\n",
        "content-length: +29\r\n",
        "content-length: 0x1d\r\n",
        "content-length: 29.0\r\n",
        "content-length: x\r\n",
        "content-length:\r\n",
        "content-length: 18446744073709551616\r\n",
    ] {
        let mut connection = Connection::open(&server).await;
        connection.send(sample.put_head(0, headers)).await;
        connection.send(sample.chunk(0, 0)).await;
        let reply = connection.reply().await.expect("an answer");
        assert_eq!((reply.status, reply.body.len()), (400, 0), "{headers:?}: {reply:?}");
        assert!(connection.is_closed().await, "{headers:?}");
    }
    nothing_is_kept(&server, &http, &sample).await;

    let mut connection = Connection::open(&server).await;
    connection.send(sample.put_head(0, "content-length: 18446744073709551615\r\n")).await;
    connection.reply().await.expect("an answer").is(ProblemType::BodyTooLarge);
    assert_eq!(sample.put(&http, 0, 0).await.ok().status, 201);
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_nothing_and_can_come_again() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1 << 20, 1 << 20);
    sample.create(&http).await.ok();
    let body = sample.chunk(0, 0);
    let head = sample.put_head(0, &format!("content-length: {}\r\n", body.len()));
    for sent in [0, 1, 65_536, body.len() - 1] {
        // Gone without a word.
        let mut connection = Connection::open(&server).await;
        connection.send(&head).await;
        connection.send(&body[..sent]).await;
        drop(connection);
        // Still listening.
        let mut connection = Connection::open(&server).await;
        connection.send(&head).await;
        connection.send(&body[..sent]).await;
        connection.finish().await;
        if let Some(reply) = connection.reply().await {
            reply.is(ProblemType::BodyIncomplete);
        }
        nothing_is_kept(&server, &http, &sample).await;
    }
    assert_eq!(sample.put(&http, 0, 0).await.ok().status, 201);
    sample.complete(&http).await.ok();
    assert_eq!(sample.get(&http, 0).await.ok().body, body);
}
