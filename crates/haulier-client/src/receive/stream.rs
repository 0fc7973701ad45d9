//! A file as a stream: chunks are fetched in parallel and written in order, each only after it has opened.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use haulier_format::{ChunkLayout, Opened};
use haulier_wire::ChunkIndex;
use tokio::task::JoinSet;

use super::fetch::{Fetch, First, IV_BYTES};
use super::selection::{Selection, overlaps};
use crate::error::Error;
use crate::progress::{Event, Progress};
use crate::secret::blocking;
use crate::window::Buffer;

/// A get that goes to a stream.
pub(super) struct Stream<W> {
    pub(super) fetch: Arc<Fetch>,
    pub(super) opened: Arc<Opened>,
    pub(super) selection: Selection,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) output: Arc<Mutex<W>>,
}

impl<W: Write + Send + 'static> Stream<W> {
    /// Writes the one file that is wanted.
    ///
    /// Buffers are acquired in the order in which they are written out, so those that wait for an earlier chunk never
    /// hold what that chunk needs.
    ///
    /// # Errors
    /// The first that occurs; then the stream is cut short, and the caller must say so.
    pub(super) async fn run(&self, first: Option<First>) -> Result<(), Error> {
        let mut wanted = self.selection.chunks.iter().cloned().flatten().collect::<VecDeque<_>>();
        self.tell_start(first.as_ref());
        if let Some(First { plaintext }) = first {
            wanted.pop_front();
            self.write(plaintext).await?;
        }
        let mut to_write = wanted.clone();
        let mut ready = BTreeMap::new();
        let mut tasks = JoinSet::new();
        while let Some(&next) = to_write.front() {
            if let Some(buffer) = ready.remove(&next) {
                self.write_chunk(next, buffer).await?;
                to_write.pop_front();
                continue;
            }
            let len = wanted.front().map(|index| Fetch::sealed_bytes(&self.opened, *index));
            tokio::select! {
                buffer = self.fetch.window.acquire(len.unwrap_or_default()), if len.is_some() => {
                    let index = wanted.pop_front().and_then(ChunkIndex::new).ok_or(Error::Internal("no such chunk"))?;
                    let (fetch, opened) = (Arc::clone(&self.fetch), Arc::clone(&self.opened));
                    tasks.spawn(async move { Ok((index.get(), fetch.chunk(&opened, index, buffer, None, |_| Ok(())).await?)) });
                }
                Some(done) = tasks.join_next() => {
                    let done: Result<(u32, Buffer), Error> = done.unwrap_or(Err(Error::Internal("a chunk's task ended early")));
                    let (index, buffer) = done?;
                    ready.insert(index, buffer);
                }
                else => return Err(Error::Internal("a chunk was lost")),
            }
        }
        let output = Arc::clone(&self.output);
        blocking(move || output.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(Error::output)).await?;
        self.progress.on(Event::FileDone);
        self.progress.on(Event::Finishing);
        Ok(())
    }

    fn tell_start(&self, first: Option<&First>) {
        let sealed = |index: u32| Fetch::sealed_bytes(&self.opened, index);
        let wanted = || self.selection.chunks.iter().cloned().flatten();
        self.progress.on(Event::Started {
            transfer_id: *self.opened.transfer_id(),
            sealed_bytes: wanted().map(sealed).sum(),
            present_bytes: first.map_or(0, |_| sealed(0)),
            total_chunks: u32::try_from(wanted().count()).unwrap_or(u32::MAX),
            files: 1,
        });
    }

    /// Writes what is wanted of an opened chunk.
    async fn write_chunk(&self, index: u32, buffer: Buffer) -> Result<(), Error> {
        let place = ChunkIndex::new(index).and_then(|index| place(self.opened.layout(), index));
        let (offset, len) = place.ok_or(Error::Internal("no such chunk"))?;
        let plaintext = buffer.into_bytes().slice(IV_BYTES..IV_BYTES + len);
        let wanted: Vec<Range<usize>> =
            overlaps(&self.selection.pieces, offset, len).map(|(.., bytes)| bytes).collect();
        for bytes in wanted {
            self.write(plaintext.slice(bytes)).await?;
        }
        Ok(())
    }

    async fn write(&self, bytes: Bytes) -> Result<(), Error> {
        let output = Arc::clone(&self.output);
        blocking(move || {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.write_all(&bytes).map_err(Error::output)
        })
        .await
    }
}

fn place(layout: &ChunkLayout, index: ChunkIndex) -> Option<(u64, usize)> {
    Some((layout.plaintext_offset(index), usize::try_from(layout.plaintext_len(index)?).ok()?))
}
