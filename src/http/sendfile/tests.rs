//! A body waits for its head, sends exactly its part, and takes the connection with it when it cannot.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::MessageBody as _;
use actix_web::rt::task::yield_now;
use futures::future::poll_fn;
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _};

use super::super::socket::Socket;
use super::super::socket::tests::{connection, read_all};
use super::*;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("below 256")).collect()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn sent() -> SentBytes {
    SentBytes::new(prometheus::IntCounter::new("sent", "bytes").expect("a counter"))
}

fn body(socket: &Socket, file: File, range: std::ops::Range<u64>) -> LendingBody {
    file_body(FilePart { file, range }, socket.outlet(), Senders::new(Handle::current()), sent(), Toll::free())
}

async fn next(body: &mut LendingBody) -> Option<io::Result<Bytes>> {
    poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
}

/// Sees the body to its end as the framework does: how often its reader took bytes.
async fn drive(socket: &mut Socket, body: &mut LendingBody) -> io::Result<u32> {
    assert!(futures::poll!(Box::pin(next(body))).is_pending(), "the head comes first");
    poll_fn(|context| Pin::new(&mut *socket).poll_flush(context)).await?;
    let mut taken = 0;
    while let Some(piece) = next(body).await {
        assert!(piece?.is_empty());
        taken += 1;
    }
    Ok(taken)
}

#[actix_web::test]
async fn the_part_follows_its_head_and_the_next_head_follows_the_part() {
    let content = content(300_000);
    for (start, end) in [(0, 300_000), (0, 1), (299_999, 300_000), (70_000, 200_001), (5, 5)] {
        let (mut socket, peer) = connection().await;
        let reader = read_all(peer);
        let mut body = body(&socket, file(&content), start as u64..end as u64);
        socket.write_all(b"head").await.expect("written");
        drive(&mut socket, &mut body).await.expect("sent");
        socket.write_all(b"next").await.expect("written");
        socket.shutdown().await.expect("closed");
        assert_eq!(reader.join().expect("read"), [b"head", &content[start..end], b"next"].concat(), "{start}..{end}");
    }
}

#[actix_web::test]
async fn nothing_leaves_before_the_flush() {
    let (mut socket, mut peer) = connection().await;
    let mut body = body(&socket, file(b"body"), 0..4);
    for _ in 0..20 {
        assert!(futures::poll!(Box::pin(next(&mut body))).is_pending());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    peer.set_nonblocking(true).expect("set");
    assert_eq!(peer.read(&mut [0; 4]).expect_err("nothing yet").kind(), io::ErrorKind::WouldBlock);
    // The framework, which still has the head to write, has the writing end.
    socket.write_all(b"head").await.expect("written");
    drive(&mut socket, &mut body).await.expect("sent");
}

#[actix_web::test]
async fn a_file_that_is_too_short_takes_the_connection_with_it() {
    let (mut socket, peer) = connection().await;
    let reader = read_all(peer);
    let mut body = body(&socket, file(b"short"), 0..6);
    let error = drive(&mut socket, &mut body).await.expect_err("no clean end");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(socket.write_all(b"next").await.expect_err("broken").kind(), io::ErrorKind::BrokenPipe);
    // Closed for writing at once, though the framework still holds the connection.
    assert_eq!(reader.join().expect("read"), b"short");
}

#[actix_web::test]
async fn a_body_that_is_dropped_takes_the_connection_with_it() {
    let (mut socket, peer) = connection().await;
    let mut body = body(&socket, file(&content(32 << 20)), 0..32 << 20);
    assert!(futures::poll!(Box::pin(next(&mut body))).is_pending());
    poll_fn(|context| Pin::new(&mut socket).poll_flush(context)).await.expect("flushed");
    // Nobody reads: the socket fills up, and the body waits for room.
    next(&mut body).await.expect("a piece").expect("sent");
    assert!(futures::poll!(Box::pin(next(&mut body))).is_pending());
    drop(body);
    assert!(socket.write_all(b"next").await.is_err());
    assert!(read_all(peer).join().expect("read").len() < 32 << 20);
}

#[actix_web::test]
async fn no_turn_is_endless_and_each_counts_as_progress() {
    let (mut socket, peer) = connection().await;
    let reader = read_all(peer);
    let len = 2 * TURN_BYTES + 1;
    let big = tempfile::tempfile().expect("a file");
    big.set_len(len).expect("long");
    let mut body = body(&socket, big, 0..len);
    assert!(drive(&mut socket, &mut body).await.expect("sent") >= 3);
    socket.shutdown().await.expect("closed");
    assert_eq!(reader.join().expect("read").len() as u64, len);
}

#[actix_web::test]
async fn a_reader_that_stops_holds_no_thread() {
    let senders = Senders::new(Handle::current());
    let mut held = Vec::new();
    for _ in 0..MAX_SENDING + 1 {
        let (mut socket, peer) = connection().await;
        let part = FilePart { file: file(&content(1)), range: 0..32 << 20 };
        part.file.set_len(32 << 20).expect("long");
        let mut body = file_body(part, socket.outlet(), senders.clone(), sent(), Toll::free());
        assert!(futures::poll!(Box::pin(next(&mut body))).is_pending());
        poll_fn(|context| Pin::new(&mut socket).poll_flush(context)).await.expect("flushed");
        let turn = tokio::time::timeout(Duration::from_secs(10), next(&mut body));
        turn.await.expect("there is a place").expect("a piece").expect("sent");
        held.push((socket, peer, body));
    }
    yield_now().await;
    assert_eq!(senders.places.available_permits(), MAX_SENDING);
}
