//! A stream waits for the head, arrives as it came, and takes the connection with it when it is not what was announced.

use std::pin::Pin;

use actix_web::body::MessageBody as _;
use futures::future::poll_fn;
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _};

use super::super::socket::Socket;
use super::super::socket::tests::{connection, read_all};
use super::*;

const CONTENT: &[u8] = b"0123456789";

fn body(socket: &Socket, pieces: &[&'static [u8]], len: u64) -> LendingBody {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
    let sent = SentBytes::new(prometheus::IntCounter::new("sent", "bytes").expect("a counter"));
    passing_body(stream::iter(pieces).boxed(), len, socket.outlet(), sent)
}

async fn next(body: &mut LendingBody) -> Option<io::Result<Bytes>> {
    poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
}

/// Sees the body to its end as the framework does.
async fn drive(socket: &mut Socket, body: &mut LendingBody) -> io::Result<()> {
    assert!(futures::poll!(Box::pin(next(body))).is_pending(), "the head comes first");
    poll_fn(|context| Pin::new(&mut *socket).poll_flush(context)).await?;
    while let Some(piece) = next(body).await {
        assert!(piece?.is_empty());
    }
    Ok(())
}

#[actix_web::test]
async fn the_stream_follows_its_head_and_the_next_head_follows_the_stream() {
    let whole: &[&[u8]] = &[CONTENT];
    for (pieces, len) in [(whole, 10), (&[b"01", b"", b"23456789"], 10), (&[b"", b"0"], 1), (&[], 0)] {
        let (mut socket, peer) = connection().await;
        let reader = read_all(peer);
        let mut body = body(&socket, pieces, len);
        socket.write_all(b"head").await.expect("written");
        drive(&mut socket, &mut body).await.expect("sent");
        socket.write_all(b"next").await.expect("written");
        socket.shutdown().await.expect("closed");
        let expected = [b"head", &CONTENT[..usize::try_from(len).expect("small")], b"next"].concat();
        assert_eq!(reader.join().expect("read"), expected, "{pieces:?}");
    }
}

#[actix_web::test]
async fn a_stream_of_another_length_takes_the_connection_with_it() {
    for (len, kind) in [(11, io::ErrorKind::UnexpectedEof), (9, io::ErrorKind::InvalidData)] {
        let (mut socket, peer) = connection().await;
        let reader = read_all(peer);
        let mut body = body(&socket, &[CONTENT], len);
        assert_eq!(drive(&mut socket, &mut body).await.expect_err("no clean end").kind(), kind);
        assert_eq!(socket.write_all(b"next").await.expect_err("broken").kind(), io::ErrorKind::BrokenPipe);
        // Closed for writing at once, though the framework still holds the connection.
        assert!(CONTENT.starts_with(&reader.join().expect("read")));
    }
}

#[actix_web::test]
async fn a_body_that_is_dropped_takes_the_connection_with_it() {
    let (mut socket, peer) = connection().await;
    let reader = read_all(peer);
    let mut body = body(&socket, &[b"01234", b"56789"], 10);
    assert!(futures::poll!(Box::pin(next(&mut body))).is_pending());
    poll_fn(|context| Pin::new(&mut socket).poll_flush(context)).await.expect("flushed");
    next(&mut body).await.expect("a piece").expect("sent");
    drop(body);
    assert_eq!(socket.write_all(b"next").await.expect_err("broken").kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(reader.join().expect("read"), b"01234");
}
