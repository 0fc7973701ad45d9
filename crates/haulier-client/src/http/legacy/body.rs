//! A blob as a request body: sealed while it travels, a few pieces ahead.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

use super::super::Watch;

/// The body of one upload. Broken when its pieces end early.
pub(crate) struct BlobBody {
    pieces: Receiver<Bytes>,
    len: u64,
    left: u64,
    watch: Watch,
}

/// The pieces ended before the announced length.
#[derive(Debug, thiserror::Error)]
#[error("the file ended early")]
pub(crate) struct EndedEarly;

impl BlobBody {
    /// `pieces` add up to `len` bytes.
    pub(crate) fn new(pieces: Receiver<Bytes>, len: u64, watch: Watch) -> Self {
        Self { pieces, len, left: len, watch }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = EndedEarly;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Some(piece) = ready!(self.pieces.poll_recv(context)) else { return Poll::Ready(Some(Err(EndedEarly))) };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            return Poll::Ready(Some(Err(EndedEarly)));
        };
        self.left = left;
        self.watch.moved(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
