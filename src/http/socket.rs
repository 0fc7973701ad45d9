//! A plain connection whose writing end can be lent to a body, which then sends by itself what follows the head.
//!
//! The framework keeps its connections to itself, and copies every body into a buffer of its own. So it is given this one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures::stream::{LocalBoxStream, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// One connection, as the framework sees it.
#[derive(Debug)]
pub(super) struct Socket {
    reader: OwnedReadHalf,
    outlet: Outlet,
    /// Whether anything was asked yet.
    was_asked: bool,
}

/// The writing end of a connection. Clones are the same end.
#[derive(Clone, Debug)]
pub(super) struct Outlet(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` while it is lent, and for good when whoever had it did not bring it back: nothing is sent then that could be
    /// taken for the rest of a body.
    writer: RefCell<Option<OwnedWriteHalf>>,
    /// Whether somebody waits until all that was written before has left.
    awaits_flush: Cell<bool>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        let shared = Shared { writer: RefCell::new(Some(writer)), awaits_flush: Cell::new(false) };
        Self { reader, outlet: Outlet(Rc::new(shared)), was_asked: false }
    }

    pub(super) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    fn poll_writer<T>(
        &self,
        poll: impl FnOnce(Pin<&mut OwnedWriteHalf>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.outlet.0.writer.borrow_mut().as_mut() {
            Some(writer) => poll(Pin::new(writer)),
            None => Poll::Ready(Err(not_here())),
        }
    }
}

impl Outlet {
    /// Takes the end once all that the framework wrote has left: it flushes when its buffer is empty, and not before.
    pub(super) async fn take(&self) -> io::Result<OwnedWriteHalf> {
        self.0.awaits_flush.set(true);
        // The framework polls the body, sees that it waits, and flushes, all in one turn of its task, which the flush wakes.
        poll_fn(|_| if self.0.awaits_flush.get() { Poll::Pending } else { Poll::Ready(()) }).await;
        self.0.writer.take().ok_or_else(not_here)
    }

    /// Gives it back, after exactly those bytes that the head announced.
    pub(super) fn give_back(&self, writer: OwnedWriteHalf) {
        self.0.writer.replace(Some(writer));
    }
}

/// A body that sends by itself, through an [`Outlet`]; each empty piece says that the reader took bytes. Its length must be
/// announced beside it: the framework is to count nothing.
pub(super) struct LendingBody(LocalBoxStream<'static, io::Result<Bytes>>);

impl LendingBody {
    pub(super) fn new(steps: impl Stream<Item = io::Result<Bytes>> + 'static) -> Self {
        Self(steps.boxed_local())
    }
}

impl MessageBody for LendingBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.0.poll_next_unpin(context)
    }
}

fn not_here() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "a body did not come to its end")
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.reader).poll_read(cx, buffer);
        self.was_asked |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.was_asked {
            // The framework answers 408 before it closes a connection on which nothing came. Clients open some ahead, and
            // would take that for the answer to what they are about to ask; a close they know how to take.
            return Poll::Ready(Ok(bytes.len()));
        }
        self.poll_writer(|writer| writer.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is the kernel's, so there is nothing to flush but the news.
        if self.outlet.0.awaits_flush.take() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writer(|writer| writer.poll_shutdown(cx))
    }
}

#[cfg(test)]
pub(super) mod tests;
