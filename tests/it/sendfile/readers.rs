//! Readers that are slow, that ask for much at once, or that close after one answer.

use super::*;

#[tokio::test]
async fn a_slow_reader_gets_every_byte_and_then_the_next_answer() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let mut stream = narrow(&server, &get(&sample, "")).await;
    assert!(head(&mut stream).await.starts_with("http/1.1 200"));
    let chunk = sample.chunk(0, 0);
    let mut got = vec![0; chunk.len()];
    // 33 pieces with pauses: the server runs out of room again and again.
    for piece in got.chunks_mut(256 << 10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokio::time::timeout(PATIENCE, stream.read_exact(piece)).await.expect("in time").expect("read");
    }
    assert!(got == chunk);
    stream.write_all(get(&sample, "range: bytes=0-9\r\n").as_bytes()).await.expect("written");
    assert!(head(&mut stream).await.starts_with("http/1.1 206"));
    stream.read_exact(&mut got[..10]).await.expect("read");
    assert_eq!(got[..10], chunk[..10]);
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let (small, chunk) = (get(&sample, "range: bytes=7-1006\r\n"), sample.chunk(0, 0));
    let other = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut connection = Connection::open(&server).await;
    connection.send([&get(&sample, ""), &small, &get(&sample, ""), other, &small, other].concat()).await;
    for expected in [Some(&chunk[..]), Some(&chunk[7..1007]), Some(&chunk[..]), None, Some(&chunk[7..1007]), None] {
        let reply = connection.reply().await.expect("an answer");
        match expected {
            Some(bytes) => assert!(reply.body == bytes, "{}", reply.head),
            None => assert_eq!((reply.status, reply.head.contains("octet-stream")), (200, false)),
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_to_close_closes_after_the_last_byte() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(MIB, MIB);
    sample.send(&http).await;
    let old = get(&sample, "").replace("HTTP/1.1", "HTTP/1.0");
    for request in [get(&sample, "connection: close\r\n"), old.clone()] {
        let mut connection = Connection::open(&server).await;
        connection.send(request).await;
        let reply = connection.reply().await.expect("an answer");
        assert_eq!((reply.status, reply.body == sample.chunk(0, 0)), (200, true), "{}", reply.head);
        assert!(connection.is_closed().await);
    }
    // An old client that wants to go on may.
    let mut connection = Connection::open(&server).await;
    for _ in 0..2 {
        connection.send(old.replace("host: x", "connection: keep-alive")).await;
        let reply = connection.reply().await.expect("an answer");
        assert!(reply.head.contains("connection: keep-alive") && reply.body == sample.chunk(0, 0), "{}", reply.head);
    }
}

#[tokio::test]
async fn a_reader_that_has_said_its_last_word_gets_every_byte() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let mut stream = narrow(&server, &get(&sample, "")).await;
    stream.shutdown().await.expect("half closed");
    head(&mut stream).await;
    assert!(rest(&mut stream).await == sample.chunk(0, 0));
}

#[tokio::test]
async fn a_stopping_server_lets_a_chunk_finish() {
    let mut server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let mut stream = narrow(&server, &get(&sample, "")).await;
    head(&mut stream).await;
    server.signal("TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(rest(&mut stream).await == sample.chunk(0, 0));
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}
