//! A body that the kernel sends: pages of its cache go to the socket, and no byte passes through this process.
//!
//! `sendfile` waits for the disk where the cache has nothing, and cannot be told not to. So it runs on threads that may wait,
//! a bounded number of them, and none ever waits long for a reader.

use std::io;
use std::sync::Arc;

use actix_web::web::Bytes;
use futures::stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::sendfile;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::observe::SentBytes;
use super::socket::{LendingBody, Outlet};
use crate::transfer::FilePart;
use crate::transfer::lease::Toll;

/// Threads that may be sending, in the whole process.
const MAX_SENDING: usize = 64;
/// How long a thread waits for room in a socket. A reader that keeps up makes some at once.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// Most bytes that one thread sends before others have their turn.
const TURN_BYTES: u64 = 16 << 20;

/// Where files are sent from.
#[derive(Clone, Debug)]
pub struct Senders {
    threads: Handle,
    places: Arc<Semaphore>,
}

impl Senders {
    /// Uses the blocking threads of this runtime.
    #[must_use]
    pub fn new(threads: Handle) -> Self {
        Self { threads, places: Arc::new(Semaphore::new(MAX_SENDING)) }
    }
}

/// The part of a file as a body.
pub(super) fn file_body(part: FilePart, outlet: Outlet, senders: Senders, sent: SentBytes, toll: Toll) -> LendingBody {
    let head = Step::Head(part, sent, toll);
    LendingBody::new(stream::try_unfold(head, move |step| step.next(outlet.clone(), senders.clone())))
}

/// What is to be done next.
enum Step {
    /// The framework has to send the head.
    Head(FilePart, SentBytes, Toll),
    /// Bytes are to be sent.
    Send(Sending),
    /// There was no room for more.
    Wait(Sending),
    /// Every byte has left.
    Done,
}

/// A body under way. Dropped, it closes the connection for writing: nobody may take what follows for its rest.
struct Sending {
    part: FilePart,
    writer: OwnedWriteHalf,
    sent: SentBytes,
    toll: Toll,
}

impl Step {
    /// Does it. An empty piece says that the reader took bytes.
    async fn next(self, outlet: Outlet, senders: Senders) -> io::Result<Option<(Bytes, Self)>> {
        let mut sending = match self {
            Self::Head(part, sent, toll) => Sending { part, writer: outlet.take().await?, sent, toll },
            Self::Send(sending) => sending,
            Self::Wait(sending) => {
                sending.writer.writable().await?;
                sending
            }
            Self::Done => return Ok(None),
        };
        let begin = sending.part.range.start;
        let rest = sending.part.range.end - begin;
        let most = sending.toll.pay(rest).await.map_err(io::Error::other)?.min(TURN_BYTES);
        let place = Arc::clone(&senders.places).acquire_owned().await.map_err(io::Error::other)?;
        let turn = senders.threads.spawn_blocking(move || {
            let _place = place;
            sending.turn(begin + most)
        });
        let step = match turn.await.map_err(io::Error::other)?? {
            Self::Send(Sending { part, writer, .. }) if part.range.is_empty() => {
                outlet.give_back(writer);
                Self::Done
            }
            step => step,
        };
        Ok(Some((Bytes::new(), step)))
    }
}

impl Sending {
    /// Sends until there is nothing left, no room, or others wait. May wait for the disk. Tells the toll here what has left:
    /// nobody may be there any more who waits for the end of the turn.
    fn turn(mut self, turn_end: u64) -> io::Result<Step> {
        let begin = self.part.range.start;
        let has_room = self.fill(turn_end);
        self.toll.passed(self.part.range.start - begin);
        Ok(if has_room? { Step::Send(self) } else { Step::Wait(self) })
    }

    /// Whether there was room for all of the turn.
    fn fill(&mut self, turn_end: u64) -> io::Result<bool> {
        let socket: &TcpStream = self.writer.as_ref();
        while self.part.range.start < turn_end {
            if !is_full(send(socket, &mut self.part, turn_end, &self.sent))? {
                continue;
            }
            await_room(socket)?;
            // The runtime only hears of changes: a try that it sees fail is what it watches from.
            if is_full(socket.try_io(Interest::WRITABLE, || send(socket, &mut self.part, turn_end, &self.sent)))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Sends some bytes of the part, at least one.
fn send(socket: &TcpStream, part: &mut FilePart, end: u64, sent: &SentBytes) -> io::Result<()> {
    let most = usize::try_from(end - part.range.start).map_err(io::Error::other)?;
    match sendfile(socket, &part.file, Some(&mut part.range.start), most) {
        // The file became shorter: what was announced cannot come any more.
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(bytes) => {
            sent.add(bytes as u64);
            Ok(())
        }
        Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the socket had no room at all.
fn is_full(sent: io::Result<()>) -> io::Result<bool> {
    match sent {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// Waits a little for a reader that keeps up.
fn await_room(socket: &TcpStream) -> io::Result<()> {
    match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&PATIENCE)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
