//! What leaves a connection, and what does not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Peer};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A connection on which nothing was asked yet, and the other end of it.
fn silent() -> (Socket, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let peer = Peer::connect(listener.local_addr().expect("an address")).expect("connects");
    let (ours, _) = listener.accept().expect("accepts");
    ours.set_nonblocking(true).expect("set");
    (Socket::new(TcpStream::from_std(ours).expect("a stream")), peer)
}

/// A connection on which something was asked, and the other end of it.
pub(in crate::http) async fn connection() -> (Socket, Peer) {
    let (mut socket, mut peer) = silent();
    peer.write_all(b"?").expect("written");
    assert_eq!(socket.read_u8().await.expect("read"), b'?');
    (socket, peer)
}

/// All that arrives at the other end until it is closed.
pub(in crate::http) fn read_all(mut peer: Peer) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = peer.read_to_end(&mut all);
        all
    })
}

#[actix_web::test]
async fn nothing_leaves_before_anything_was_asked() {
    let (mut socket, mut peer) = silent();
    socket.write_all(b"408").await.expect("taken");
    peer.write_all(b"?").expect("written");
    assert_eq!(socket.read_u8().await.expect("read"), b'?');
    socket.write_all(b"200").await.expect("written");
    socket.shutdown().await.expect("closed");
    assert_eq!(read_all(peer).join().expect("read"), b"200");
}
