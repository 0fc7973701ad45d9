//! Chunks that the kernel sends: every byte, whoever reads, and never a short body that looks like a whole one.

mod readers;
mod trouble;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Connection, DOWNLOAD_TOKEN, Http, Sample, Server, ServerOptions, eventually};

const MIB: u64 = 1 << 20;
/// Longest wait for whatever is to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request for chunk 0; `more` are headers that end in `\r\n` each.
fn get(sample: &Sample, more: &str) -> String {
    let id = sample.id;
    let line = format!("GET /api/transfers/download/{id}/chunk/0 HTTP/1.1");
    format!("{line}\r\nhost: x\r\nauthorization: Bearer {DOWNLOAD_TOKEN}\r\n{more}\r\n")
}

/// A reader with room for little, so that the server has to wait for it.
async fn narrow(server: &Server, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("set");
    let mut stream = socket.connect(server.address().parse().expect("an address")).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("written");
    stream
}

/// Reads a head, which ends with an empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a head");
        head.push(byte);
    }
    String::from_utf8(head).expect("ASCII").to_ascii_lowercase()
}

/// What still comes until the server closes, or breaks the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time");
    rest
}

#[tokio::test]
async fn every_byte_arrives_whole_or_in_part() {
    let server = Server::start();
    let http = Http::new(&server);
    for (file_size, chunk_size) in [(1, 65_536), (65_536, 65_536), (8 * MIB, 8 * MIB)] {
        let sample = Sample::new(file_size, chunk_size);
        sample.send(&http).await;
        let (chunk, last) = (sample.chunk(0, 0), file_size + 27);
        let mut connection = Connection::open(&server).await;
        connection.send(get(&sample, "")).await;
        let reply = connection.reply().await.expect("an answer");
        assert_eq!((reply.status, reply.body == chunk), (200, true), "{}", reply.head);
        assert!(!reply.head.contains("transfer-encoding") && !reply.head.contains("connection: close"));
        for (first, last) in [(0, 0), (0, last - 1), (last, last), (1, last), (last / 3, last / 2)] {
            connection.send(get(&sample, &format!("range: bytes={first}-{last}\r\n"))).await;
            let reply = connection.reply().await.expect("an answer");
            let (from, to) = (usize::try_from(first).expect("fits"), usize::try_from(last).expect("fits"));
            assert_eq!((reply.status, reply.body == chunk[from..=to]), (206, true), "{first} to {last}");
        }
    }
}

/// Otherwise all of this would test the stream that other platforms have.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_sends_chunks() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("strace.log");
    let wrapper = ["strace", "-f", "-e", "trace=sendfile", "-o", log.to_str().expect("UTF-8")];
    let mut server = Server::start_with(ServerOptions::default().wrapper(wrapper));
    let http = Http::new(&server);
    let sample = Sample::new(100_000, 65_536);
    sample.send(&http).await;
    assert_eq!(sample.get(&http, 0).await.ok().body, sample.chunk(0, 0));
    let strace = server.pid();
    let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).expect("children");
    let traced = children.trim().to_owned();
    std::process::Command::new("kill").arg(&traced).status().expect("kill runs");
    server.wait(PATIENCE);
    let log = std::fs::read_to_string(&log).expect("a log");
    assert!(log.contains("= 65564"), "{log}");
}

#[tokio::test]
async fn the_log_has_status_and_length() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("server.log");
    let server = Server::start_with(ServerOptions::default().log_to(&log));
    let http = Http::new(&server);
    let sample = Sample::new(65_536, 65_536);
    sample.send(&http).await;
    let mut connection = Connection::open(&server).await;
    for (more, status, bytes) in [("", 200, 65_564), ("range: bytes=5-14\r\n", 206, 10)] {
        connection.send(get(&sample, more)).await;
        connection.reply().await.expect("an answer");
        let line = |text: &str| {
            text.contains(&format!("http.status={status}")) && text.contains(&format!("sent_bytes={bytes}"))
        };
        eventually("the line is there", || std::fs::read_to_string(&log).expect("a log").lines().any(line)).await;
    }
}
