//! A part of an open file on its way out, for whoever can send files, and as a stream for everybody else.
//!
//! The stream takes at once what the page cache holds; for the rest a thread waits for the disk. Handing every piece to
//! another thread costs more than copying it. Linux reads without waiting when asked to, so that an async thread may; the
//! kernel reads ahead meanwhile.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream;

use super::ByteStream;

/// Bytes read in one call. Twice as many, and the HTTP layer would allocate its buffer anew for each.
const PIECE_BYTES: u64 = 64 << 10;

/// A part of an open file, which was that long when it was opened.
#[derive(Debug)]
pub struct FilePart {
    /// The file. Its own position means nothing.
    pub file: File,
    /// Which bytes are wanted.
    pub range: Range<u64>,
}

impl FilePart {
    /// Reads the part piece by piece.
    #[must_use]
    pub fn into_stream(self) -> ByteStream {
        Reader { file: Arc::new(self.file), rest: self.range, last: Bytes::new() }.stream()
    }
}

struct Reader {
    file: Arc<File>,
    rest: Range<u64>,
    /// The piece before: once it was sent, its memory takes the next one.
    last: Bytes,
}

impl Reader {
    fn stream(self) -> ByteStream {
        stream::unfold(Some(self), |reader| async {
            let mut reader = reader.filter(|reader| !reader.rest.is_empty())?;
            let piece = reader.next().await;
            // After an error nothing follows: whoever reads must see a broken stream, never a clean end.
            let reader = piece.is_ok().then_some(reader);
            Some((piece, reader))
        })
        .boxed()
    }

    async fn next(&mut self) -> io::Result<Bytes> {
        let offset = self.rest.start;
        let len = usize::try_from((self.rest.end - offset).min(PIECE_BYTES)).map_err(io::Error::other)?;
        let mut piece = self.buffer(len);
        match read_cached(&self.file, &mut piece, offset) {
            Some(read) => piece.truncate(read),
            None => {
                let file = Arc::clone(&self.file);
                let waiting =
                    tokio::task::spawn_blocking(move || file.read_exact_at(&mut piece, offset).map(|()| piece));
                piece = waiting.await.map_err(io::Error::other)??;
            }
        }
        self.last = piece.freeze();
        self.rest.start += self.last.len() as u64;
        Ok(self.last.clone())
    }

    fn buffer(&mut self, len: usize) -> BytesMut {
        match std::mem::take(&mut self.last).try_into_mut() {
            Ok(mut last) if last.capacity() >= len => {
                last.resize(len, 0);
                last
            }
            _ => BytesMut::zeroed(len),
        }
    }
}

/// Reads what is there without waiting for the disk: at least one byte, else `None`.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, piece: &mut [u8], offset: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let read = preadv2(file, &mut [io::IoSliceMut::new(piece)], offset, ReadWriteFlags::NOWAIT);
    // Whatever went wrong, the read that waits says so.
    read.ok().filter(|read| *read > 0)
}

/// Other systems cannot say.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests;
