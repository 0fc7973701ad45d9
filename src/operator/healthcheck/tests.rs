//! Which address is asked, and what counts as an answer.

use std::io::Cursor;

use super::*;

#[test]
fn all_addresses_are_asked_at_the_loopback() {
    for (listen, asked) in [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::1]:8080"),
        ("127.0.0.1:9", "127.0.0.1:9"),
        ("10.1.2.3:8443", "10.1.2.3:8443"),
    ] {
        let found = reachable(listen.parse().expect("an address")).expect("a port");
        assert_eq!(found.to_string(), asked);
    }
    reachable("127.0.0.1:0".parse().expect("an address")).expect_err("nobody knows the port");
}

/// What was written, and what is read.
struct Answer(Vec<u8>, Cursor<&'static str>);

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // A byte at a time: an answer may come in pieces.
        self.1.read(&mut buffer[..1])
    }
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_status_line_decides() {
    for (answer, found) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some(200)),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some(503)),
        ("HTTP/1.1 2", None),
        ("", None),
        ("SSH-2.0-OpenSSH_9.2\r\n", None),
        ("HTTP/1.1 abc\r\n", None),
    ] {
        let mut stream = Answer(Vec::new(), Cursor::new(answer));
        assert_eq!(status(&mut stream).ok(), found, "{answer}");
        assert_eq!(stream.0, REQUEST);
    }
}
