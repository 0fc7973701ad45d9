//! A body that arrives from elsewhere and goes on into the connection, past the framework, which would copy it.

use std::io;

use actix_web::web::{Buf as _, Bytes};
use futures::StreamExt as _;
use futures::stream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;

use super::observe::SentBytes;
use super::socket::{LendingBody, Outlet};
use crate::transfer::ByteStream;

/// A stream as a body. `bytes` must have exactly `len`; otherwise the connection ends with it.
pub(super) fn passing_body(bytes: ByteStream, len: u64, outlet: Outlet, sent: SentBytes) -> LendingBody {
    LendingBody::new(stream::try_unfold(Step::Head(bytes, len), move |step| step.next(outlet.clone(), sent.clone())))
}

/// What is to be done next.
enum Step {
    /// The framework has to send the head.
    Head(ByteStream, u64),
    /// Bytes are to be passed on.
    Pass(Passing),
    /// Every byte has left.
    Done,
}

/// A body under way. Dropped, it closes the connection for writing: nobody may take what follows for its rest.
struct Passing {
    bytes: ByteStream,
    /// What came and has not left.
    piece: Bytes,
    /// Bytes that have not left.
    rest: u64,
    writer: OwnedWriteHalf,
}

impl Step {
    /// Does it. An empty piece says that the reader took bytes.
    async fn next(self, outlet: Outlet, sent: SentBytes) -> io::Result<Option<(Bytes, Self)>> {
        let mut passing = match self {
            Self::Head(bytes, rest) => Passing { bytes, piece: Bytes::new(), rest, writer: outlet.take().await? },
            Self::Pass(passing) => passing,
            Self::Done => return Ok(None),
        };
        if passing.rest > 0 {
            sent.add(passing.pass().await?);
        }
        if passing.rest == 0 {
            outlet.give_back(passing.writer);
            return Ok(Some((Bytes::new(), Self::Done)));
        }
        Ok(Some((Bytes::new(), Self::Pass(passing))))
    }
}

impl Passing {
    /// Lets some bytes go, at least one.
    async fn pass(&mut self) -> io::Result<u64> {
        while self.piece.is_empty() {
            self.piece = self.bytes.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
        }
        if self.piece.len() as u64 > self.rest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let written = self.writer.write(&self.piece).await?;
        self.piece.advance(written);
        self.rest -= written as u64;
        Ok(written as u64)
    }
}

#[cfg(test)]
mod tests;
