//! A bare connection, for bytes that no HTTP client would send.

use std::time::Duration;

use haulier_wire::problem::PROBLEM_JSON;
use haulier_wire::{Problem, ProblemType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;
use super::http::is_request_id;

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// One TCP connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct BareReply {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(server: &Server) -> Self {
        Self { socket: TcpStream::connect(server.address()).await.expect("connects") }
    }

    /// Sends bytes; a server that has answered may have closed by now.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Reads one reply; `None` when the server closes without one.
    pub(crate) async fn reply(&mut self) -> Option<BareReply> {
        tokio::time::timeout(PATIENCE, self.read_reply()).await.expect("a reply, or the end of the connection")
    }

    /// Waits for the server to close; anything it still sends is an error.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        read.is_ok() || rest.is_empty()
    }

    async fn read_reply(&mut self) -> Option<BareReply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.socket.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("ASCII").to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        self.socket.read_exact(&mut body).await.ok()?;
        Some(BareReply { status, head, body })
    }
}

impl BareReply {
    /// Asserts one kind of problem.
    pub(crate) fn is(&self, kind: ProblemType) -> Problem {
        assert_eq!(self.status, kind.status(), "{self:?}");
        assert!(self.head.contains(&format!("content-type: {PROBLEM_JSON}\r\n")), "{self:?}");
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem document");
        assert_eq!((problem.kind, problem.status), (kind, self.status), "{problem:?}");
        assert!(problem.instance.as_deref().is_some_and(is_request_id), "{problem:?}");
        problem
    }
}
