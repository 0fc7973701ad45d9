//! One HTTP/1.1 connection, blocking and bare: a load generator must cost less than what it measures.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

const READ_BYTES: usize = 256 << 10;
const MOST_HEAD_BYTES: usize = 16 << 10;
/// A server that is silent for this long is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What the Host header says: presigned requests are signed for it.
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, host: address.to_string(), buffer: vec![0; READ_BYTES] })
    }

    /// Sends a request and hands its answer's body, piece by piece, to `take`. Anything but 2xx is an error.
    pub(crate) fn exchange(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> anyhow::Result<u64> {
        self.stream.write_all(request.head(&self.host, body.len()).as_bytes())?;
        self.stream.write_all(body)?;
        let (head_end, mut filled) = self.read_head()?;
        let (status, len) = parse_head(&self.buffer[..head_end])?;
        take(&self.buffer[head_end..filled]);
        let mut missing = len.checked_sub((filled - head_end) as u64).context("the answer is too long")?;
        while missing > 0 {
            let most = usize::try_from(missing)?.min(self.buffer.len());
            filled = self.stream.read(&mut self.buffer[..most])?;
            if filled == 0 {
                bail!("the answer ended early");
            }
            take(&self.buffer[..filled]);
            missing -= filled as u64;
        }
        if !(200..300).contains(&status) {
            bail!("{} {} was answered with {status}", request.method, request.path);
        }
        Ok(len)
    }

    /// Reads until the head is there: where it ends, and how many bytes were read.
    fn read_head(&mut self) -> anyhow::Result<(usize, usize)> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                bail!("the connection was closed");
            }
            filled += read;
            let searched = filled.min(MOST_HEAD_BYTES);
            if let Some(at) = self.buffer[..searched].windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok((at + 4, filled));
            }
            if filled >= MOST_HEAD_BYTES {
                bail!("an answer without an end of its head");
            }
        }
    }
}

/// What a request says before its body.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: String,
    /// A bearer token, if any.
    pub(crate) token: Option<&'a str>,
}

impl Request<'_> {
    fn head(&self, host: &str, body_bytes: usize) -> String {
        let Self { method, path, token } = self;
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{token}content-length: {body_bytes}\r\n\r\n")
    }
}

/// Status and Content-Length.
fn parse_head(head: &[u8]) -> anyhow::Result<(u16, u64)> {
    let text = std::str::from_utf8(head)?;
    let status = text.split(' ').nth(1).context("no status")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    Ok((status, length.context("an answer without Content-Length")??))
}
