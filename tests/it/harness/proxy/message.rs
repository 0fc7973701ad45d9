//! HTTP/1.1 messages as far as the relay needs them: heads, and bodies in pieces.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const PIECE_BYTES: usize = 16 << 10;

pub(super) type Input = BufReader<OwnedReadHalf>;

/// A request line or status line, and the headers.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
}

/// What a request asks for, as a hook sees it: its body has not been read yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunked coding: so many bytes are left of the current piece.
    Chunked(u64),
    Ended,
}

impl Head {
    /// Reads up to the empty line; `None` when the other side closed instead.
    pub(super) async fn read(input: &mut Input) -> io::Result<Option<Self>> {
        let first = line(input).await?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let line = line(input).await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Some(Self { first, headers }))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{headers}\r\n", self.first).into_bytes()
    }

    /// The word of the first line at this place, from 0.
    fn word(&self, place: usize) -> &str {
        self.first.split(' ').nth(place).unwrap_or_default()
    }

    pub(super) fn status(&self) -> u16 {
        self.word(1).parse().expect("a status")
    }

    pub(super) fn request(&self) -> Request {
        Request { method: self.word(0).to_owned(), path: self.word(1).to_owned(), headers: self.headers.clone() }
    }

    /// The body that follows this head of a request, or of an answer to one.
    pub(super) fn body(&self) -> Body {
        match self.header("content-length") {
            Some(length) => Body::Length(length.parse().expect("a length")),
            None if self.header("transfer-encoding") == Some("chunked") => Body::Chunked(0),
            None => Body::Ended,
        }
    }
}

impl Body {
    /// Reads what is there, at most 16 KiB; `None` at the end of the body.
    pub(super) async fn piece(&mut self, input: &mut Input) -> io::Result<Option<Vec<u8>>> {
        if let Self::Chunked(0) = self {
            let size = line(input).await?;
            *self = Self::Chunked(u64::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?);
            if let Self::Chunked(0) = self {
                line(input).await?;
                *self = Self::Ended;
            }
        }
        let (Self::Length(left) | Self::Chunked(left)) = self else { return Ok(None) };
        if *left == 0 {
            *self = Self::Ended;
            return Ok(None);
        }
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(*left).unwrap_or(PIECE_BYTES))];
        let read = input.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        *left -= read as u64;
        if matches!(self, Self::Chunked(0)) {
            line(input).await?;
        }
        Ok(Some(piece))
    }

    /// A piece as it travels under this framing.
    pub(super) fn frame(self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Chunked(_) => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
            Self::Length(_) | Self::Ended => piece.to_vec(),
        }
    }

    /// What ends a body under this framing.
    pub(super) fn end(self) -> &'static [u8] {
        if let Self::Chunked(_) = self { b"0\r\n\r\n" } else { b"" }
    }
}

impl Request {
    pub(crate) fn is(&self, method: &str, path_part: &str) -> bool {
        self.method == method && self.path.contains(path_part)
    }

    /// Whether it is about one chunk, and about this one.
    pub(crate) fn is_for_chunk(&self, method: &str, index: u32) -> bool {
        self.method == method && self.path.ends_with(&format!("/chunk/{index}"))
    }

    /// Bytes of the body that is announced.
    pub(crate) fn body_bytes(&self) -> u64 {
        let length = self.headers.iter().find(|(name, _)| name == "content-length");
        length.map_or(0, |(_, length)| length.parse().expect("a length"))
    }
}

impl Answer {
    pub(crate) fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".into(), media_type.into())], body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes a JSON body.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut json = serde_json::from_slice(&self.body).expect("a JSON answer");
        change(&mut json);
        self.body = serde_json::to_vec(&json).expect("JSON");
    }

    pub(super) fn head(&self, body: Body) -> Head {
        let framing = ["content-length", "transfer-encoding"];
        let kept = self.headers.iter().filter(|(name, _)| !framing.contains(&name.as_str())).cloned();
        let own = match body {
            Body::Chunked(_) => ("transfer-encoding".to_owned(), "chunked".to_owned()),
            Body::Length(_) | Body::Ended => ("content-length".to_owned(), self.body.len().to_string()),
        };
        Head { first: format!("HTTP/1.1 {} Said", self.status), headers: kept.chain([own]).collect() }
    }

    pub(super) async fn send(&self, output: &mut OwnedWriteHalf) -> io::Result<()> {
        let head = self.head(Body::Length(self.body.len() as u64)).encode();
        output.write_all(&[&head, &self.body[..]].concat()).await
    }
}

/// A line without its end; empty when there is nothing more.
async fn line(input: &mut Input) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
