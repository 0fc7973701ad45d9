//! The chunks of one upload: read, sealed, recorded, sent, each until the server has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use haulier_format::ChunkSealer;
use haulier_wire::api::TransferState;
use haulier_wire::limit::{MAX_CHUNK_SIZE_BYTES, MAX_MISSING_RANGES, SEALED_OVERHEAD_BYTES, SMALL_CHUNK_SIZE_BYTES};
use haulier_wire::problem::ProblemType;
use haulier_wire::{ChunkIndex, ChunkLayout};
use tokio::task::JoinSet;

use super::input::Input;
use super::{Sender, Stop};
use crate::error::{Error, InputProblem, IntegrityError};
use crate::http::{CallError, Watch, until_final};
use crate::progress::{Event, Notice};
use crate::resume::{TagError, Upload};
use crate::secret::blocking;
use crate::tally::Tally;
use crate::window::Buffer;

/// Chunks of an earlier run that are sealed again to see whether the input is still the same.
const CHECKED_CHUNKS: usize = 8;
/// Bytes before the plaintext, where sealing puts the iv.
const ROOM_BYTES: usize = 12;

/// A chunk as it travels: the same bytes however often it has to.
struct SealedChunk {
    bytes: Bytes,
    blake3: blake3::Hash,
}

impl Sender {
    /// Inclusive ranges of chunks that the server does not have: all of a new upload.
    pub(super) async fn missing(&self, upload: &Upload) -> Result<Vec<[u32; 2]>, Stop> {
        if upload.recorded.is_some() {
            return self.missing_of_earlier(upload).await;
        }
        Ok(vec![[0, upload.state.create.total_chunks.get() - 1]])
    }

    /// Asks the server which chunks it does not have.
    pub(super) async fn missing_now(&self, upload: &Upload) -> Result<Vec<[u32; 2]>, Stop> {
        let (id, owner) = (*upload.keys.transfer_id(), upload.keys.owner_token());
        let status = until_final!(self.retry, self.api.status(id, owner.as_str()));
        let mut status = status.map_err(|error| self.owner_error(error))?;
        if status.transfer_id != id {
            return Err(Stop::Never(IntegrityError::OtherTransfer.into()));
        }
        if status.state != TransferState::Pending {
            return Ok(Vec::new());
        }
        let total_chunks = upload.state.create.total_chunks.get();
        if !are_ranges(&status.missing, total_chunks) {
            return Err(Stop::Never(Error::Protocol { what: "impossible ranges of missing chunks".into() }));
        }
        // Beyond what the answer lists, everything is offered; what is there already is answered with 200.
        let listed = status.missing.last().map_or(0, |[_, last]| last + 1);
        if status.more && listed < total_chunks {
            status.missing.push([listed, total_chunks - 1]);
        }
        Ok(status.missing)
    }

    /// As [`Sender::missing_now`], for an upload that an earlier run left: looks first whether it may go on.
    async fn missing_of_earlier(&self, upload: &Upload) -> Result<Vec<[u32; 2]>, Stop> {
        self.check_input_of_earlier(upload).await?;
        let missing = self.missing_now(upload).await?;
        let recorded = upload.recorded.as_deref().unwrap_or_default();
        if knows_all_stored(recorded, &missing) {
            Ok(missing)
        } else {
            // The server has chunks of which this state knows no tag: it is an old copy, and must not seal.
            Err(Stop::Anew(Notice::StateUnusable))
        }
    }

    /// Seals some of the chunks that were sealed before, from all over the input, and compares the tags.
    ///
    /// Size and time are taken for the input's identity, and both can be set. Another file under them would go on as the
    /// second half of the first one.
    async fn check_input_of_earlier(&self, upload: &Upload) -> Result<(), Stop> {
        let sealer = sealer_of(upload)?;
        let recorded = upload.recorded.as_deref().unwrap_or_default();
        let sealed: Vec<u32> = (0..).zip(recorded).filter(|(_, known)| **known).map(|(index, _)| index).collect();
        let apart = sealed.len().div_ceil(CHECKED_CHUNKS).max(1);
        for index in sealed.iter().step_by(apart).chain(sealed.last()) {
            let index = ChunkIndex::new(*index).ok_or(Error::Internal("no such chunk"))?;
            let len = sealer.context().layout().sealed_len(index).unwrap_or(MAX_CHUNK_SIZE_BYTES);
            let mut buffer = self.window.acquire(len).await;
            let (input, sealer) = (Arc::clone(&self.input), Arc::clone(&sealer));
            let tag = blocking(move || seal(&input, &sealer, index, buffer.vec())).await.map_err(unreadable)?;
            self.record_tag(upload, index, tag).await?;
        }
        Ok(())
    }

    /// Sends the chunks of these ranges; returns when all are stored, or at the first that cannot be.
    pub(super) async fn send_chunks(self: &Arc<Self>, upload: &Arc<Upload>, missing: &[[u32; 2]]) -> Result<(), Stop> {
        let sealer = sealer_of(upload)?;
        let layout = *sealer.context().layout();
        let tally = self.tell_start(upload, &layout, missing);
        let mut tasks = JoinSet::new();
        // What an earlier run may have had under way comes last: it may be arriving yet.
        let indices = || missing.iter().flat_map(|[first, last]| *first..=*last);
        let fresh = indices().filter(|index| !upload.sealed_before(*index));
        for index in fresh.chain(indices().filter(|index| upload.sealed_before(*index))) {
            let index = ChunkIndex::new(index).ok_or(Error::Internal("no such chunk"))?;
            let buffer = self.window.acquire(layout.sealed_len(index).unwrap_or(MAX_CHUNK_SIZE_BYTES)).await;
            let (sender, upload, sealer) = (Arc::clone(self), Arc::clone(upload), Arc::clone(&sealer));
            let tally = Arc::clone(&tally);
            tasks.spawn(async move {
                sender.send_chunk(&upload, sealer, index, buffer).await?;
                tally.arrived(index.get());
                sender.progress.on(Event::ChunkDone);
                Ok::<_, Stop>(())
            });
            while let Some(done) = tasks.try_join_next() {
                done.map_err(|_| Error::Internal("a chunk's task ended early"))??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|_| Error::Internal("a chunk's task ended early"))??;
        }
        Ok(())
    }

    /// Tells the sizes, and which files are whole already.
    fn tell_start(&self, upload: &Upload, layout: &ChunkLayout, missing: &[[u32; 2]]) -> Arc<Tally> {
        let len = |index| ChunkIndex::new(index).and_then(|index| layout.sealed_len(index)).unwrap_or_default();
        let full = u64::from(layout.chunk_size()) + SEALED_OVERHEAD_BYTES;
        let range_bytes = |[first, last]: &[u32; 2]| u64::from(last - first) * full + len(*last);
        let travelling: u64 = missing.iter().map(range_bytes).sum();
        let id = upload.keys.transfer_id();
        self.progress.on(Event::Started {
            transfer_id: *id,
            sealed_bytes: layout.sealed_size(),
            present_bytes: layout.sealed_size().saturating_sub(travelling),
            total_chunks: layout.total_chunks(),
            files: upload.state.files,
        });
        let files = self.input.describe(self.options.name.as_deref(), id).files;
        let spans = files.iter().map(|file| file.offset..file.offset + file.size);
        let tally = Tally::new(spans, layout, Arc::clone(&self.progress));
        let mut present = 0;
        for [first, last] in missing.iter().copied().chain([[layout.total_chunks(), 0]]) {
            (present..first).for_each(|index| tally.arrived(index));
            present = last + 1;
        }
        Arc::new(tally)
    }

    async fn send_chunk(
        &self,
        upload: &Upload,
        sealer: Arc<ChunkSealer>,
        index: ChunkIndex,
        mut buffer: Buffer,
    ) -> Result<(), Stop> {
        self.progress.on(Event::ChunkStarted);
        let input = Arc::clone(&self.input);
        let (buffer, tag, blake3) = blocking(move || {
            let tag = seal(&input, &sealer, index, buffer.vec())?;
            let blake3 = blake3::hash(buffer.as_ref());
            Ok((buffer, tag, blake3))
        })
        .await
        .map_err(unreadable)?;
        self.record_tag(upload, index, tag).await?;
        self.deliver(upload, index.get(), &SealedChunk { bytes: buffer.into_bytes(), blake3 }).await
    }

    /// Notes the tag before anything of the chunk leaves; it must be the one of any earlier sealing.
    async fn record_tag(&self, upload: &Upload, index: ChunkIndex, tag: [u8; 16]) -> Result<(), Stop> {
        upload.tags.record(index.get(), tag).await.map_err(|error| match error {
            TagError::Changed => Stop::Anew(Notice::InputChanged),
            TagError::Damaged => Stop::Anew(Notice::StateUnusable),
            TagError::Io(source) => Stop::Later(Error::State { path: self.options.state_dir.clone(), source }),
        })
    }

    /// Sends a chunk until the server has exactly these bytes.
    async fn deliver(&self, upload: &Upload, index: u32, chunk: &SealedChunk) -> Result<(), Stop> {
        for damaged_before in [false, true] {
            match self.put(upload, index, chunk, damaged_before).await {
                Ok(Stored::Unseen) => return Ok(()),
                Ok(Stored::As(digest)) if digest == chunk.blake3.to_hex().as_str() => return Ok(()),
                Ok(Stored::As(_)) => {}
                Err(Refusal::TooLarge { proxy }) => return Err(smaller_chunks(upload, chunk.bytes.len(), proxy)),
                Err(Refusal::Call(error)) => match error.problem() {
                    Some(ProblemType::ChunkConflict) if damaged_before => return Err(arrival(index).into()),
                    Some(ProblemType::ChunkConflict) => return Err(Error::ChunkConflict { index }.into()),
                    _ => return Err(self.owner_error(error).into()),
                },
            }
        }
        Err(arrival(index).into())
    }

    /// Sends a chunk until there is a final answer.
    ///
    /// A connection that broke after the last byte may have lost nothing but the answer. So the server is asked before
    /// everything is sent again: on a poor network that is most of what would travel twice.
    ///
    /// Not after the chunk arrived `damaged`: something is there then, and only its digest tells what.
    async fn put(&self, upload: &Upload, index: u32, chunk: &SealedChunk, damaged: bool) -> Result<Stored, Refusal> {
        let mut tries = self.retry.tries();
        let mut may_be_there = !damaged && upload.sealed_before(index);
        loop {
            if may_be_there {
                match self.is_stored(upload, index).await {
                    Ok(true) => {
                        self.progress.on(Event::Moved(chunk.bytes.len() as u64));
                        return Ok(Stored::Unseen);
                    }
                    Err(error @ CallError::Again { .. }) => {
                        if let Some(Err(error)) = tries.judge(Err::<(), _>(error)).await {
                            return Err(error.into());
                        }
                        continue;
                    }
                    Ok(false) | Err(_) => {}
                }
            }
            let lane = self.window.lane().await;
            let watch = Watch::new(Arc::clone(&self.progress));
            let answer = self.put_once(upload, index, chunk, &watch).await;
            match &answer {
                Ok(_) => {
                    self.breaks.delivered();
                    lane.delivered();
                }
                Err(CallError::Again { .. }) => lane.broken(),
                Err(_) => drop(lane),
            }
            let moved = watch.moved_bytes();
            if matches!(answer, Err(CallError::Again { .. })) && 0 < moved && moved < chunk.bytes.len() as u64 {
                tries.broke_midway();
                if self.breaks.too_many(self.options.parallel) && self.may_shrink(upload) {
                    return Err(Refusal::TooLarge { proxy: false });
                }
            }
            may_be_there = !damaged && moved == chunk.bytes.len() as u64;
            drop(watch);
            if let Some(answer) = tries.judge(answer).await {
                return answer.map(Stored::As).map_err(Refusal::from);
            }
        }
    }

    /// Sends a chunk once and returns the BLAKE3 of what the server received.
    async fn put_once(
        &self,
        upload: &Upload,
        index: u32,
        chunk: &SealedChunk,
        watch: &Watch,
    ) -> Result<String, CallError> {
        let (id, owner) = (*upload.keys.transfer_id(), upload.keys.owner_token());
        let stored = self.api.put_chunk(id, index, owner.as_str(), chunk.bytes.clone(), watch.clone()).await?;
        if stored.transfer_id != id || stored.chunk_index.get() != index {
            return Err(CallError::Broken("its answer is about another chunk".into()));
        }
        watch.succeeded();
        Ok(stored.blake3)
    }

    /// Asks the server once whether it has the chunk.
    async fn is_stored(&self, upload: &Upload, index: u32) -> Result<bool, CallError> {
        let (id, owner) = (*upload.keys.transfer_id(), upload.keys.owner_token());
        let status = self.api.status(id, owner.as_str()).await?;
        let lists_it = !status.more || status.missing.last().is_some_and(|[_, last]| index <= *last);
        Ok(status.transfer_id == id
            && are_ranges(&status.missing, upload.state.create.total_chunks.get())
            && lists_it
            && !status.missing.iter().any(|[first, last]| (*first..=*last).contains(&index)))
    }

    /// Whether a new transfer may begin with smaller chunks: nothing is lost by it, and nobody asked for this size.
    fn may_shrink(&self, upload: &Upload) -> bool {
        let is_new = upload.recorded.is_none() && self.options.chunk_size.is_none();
        is_new && upload.state.create.chunk_size.get() > SMALL_CHUNK_SIZE_BYTES
    }
}

/// How a chunk came to be on the server.
enum Stored {
    /// It answered with the BLAKE3 of what it received.
    As(String),
    /// Its answer was lost; asked later, it has the chunk.
    Unseen,
}

/// Why a chunk does not get there.
enum Refusal {
    /// It is too large for what lies between.
    TooLarge {
        /// A proxy refuses it; otherwise the connection always breaks before its end.
        proxy: bool,
    },
    Call(CallError),
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        if error == CallError::ProxyTooLarge { Self::TooLarge { proxy: true } } else { Self::Call(error) }
    }
}

/// Counts connections that broke in the middle of a chunk, until the first chunk got through.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    count: AtomicUsize,
    delivered: AtomicBool,
}

impl Breaks {
    fn delivered(&self) {
        self.delivered.store(true, Ordering::Relaxed);
    }

    /// Counts one more. Whether even a single chunk at a time did not get through: twice as many as were under way at
    /// first have been spent on halving their number, and then two more.
    fn too_many(&self, parallel: usize) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        !self.delivered.load(Ordering::Relaxed) && count >= parallel.saturating_mul(2).saturating_add(2)
    }
}

/// The sealer of an upload's chunks.
fn sealer_of(upload: &Upload) -> Result<Arc<ChunkSealer>, Error> {
    let create = &upload.state.create;
    let layout = ChunkLayout::check(create.file_size, create.chunk_size.get(), create.total_chunks);
    let layout = layout.map_err(|_| Error::Internal("the layout does not fit"))?;
    let sealer = upload.keys.sealer(layout).map_err(|_| Error::Internal("the keys are bound to another layout"))?;
    Ok(Arc::new(sealer))
}

/// An input that is not what it was ends the upload: chunks of it may be on the server.
fn unreadable(error: Error) -> Stop {
    match error {
        Error::Input { what: InputProblem::Changed, .. } => Stop::Never(error),
        _ => Stop::from(error),
    }
}

/// Reads and seals one chunk: 12 bytes of room, the plaintext, 16 bytes of tag. Blocks.
fn seal(input: &Input, sealer: &ChunkSealer, index: ChunkIndex, buffer: &mut Vec<u8>) -> Result<[u8; 16], Error> {
    let layout = sealer.context().layout();
    let len = layout.plaintext_len(index).ok_or(Error::Internal("no such chunk"))?;
    buffer.resize(ROOM_BYTES + usize::try_from(len).unwrap_or(usize::MAX), 0);
    input.read_at(&mut buffer[ROOM_BYTES..], layout.plaintext_offset(index))?;
    sealer.seal_in_place(index, buffer).map_err(|_| Error::Internal("a chunk could not be sealed"))
}

/// Whether these are ranges of chunks, ascending and apart: else a server could ask for the file again and again.
fn are_ranges(missing: &[[u32; 2]], total_chunks: u32) -> bool {
    missing.len() <= MAX_MISSING_RANGES
        && missing.iter().all(|[first, last]| first <= last && *last < total_chunks)
        && missing.windows(2).all(|pair| pair[0][1] < pair[1][0])
}

/// Whether every chunk that the server has is one that this state sealed.
fn knows_all_stored(recorded: &[bool], missing: &[[u32; 2]]) -> bool {
    let mut missing = missing.iter().peekable();
    (0_u32..).zip(recorded).all(|(index, known)| {
        while missing.next_if(|[_, last]| *last < index).is_some() {}
        *known || missing.peek().is_some_and(|[first, _]| *first <= index)
    })
}

fn arrival(index: u32) -> Error {
    IntegrityError::Arrival { index }.into()
}

/// What lies between is no limit of the server's: smaller chunks may pass, but only under new keys.
fn smaller_chunks(upload: &Upload, sealed_bytes: usize, proxy: bool) -> Stop {
    if upload.state.create.chunk_size.get() > SMALL_CHUNK_SIZE_BYTES {
        return Stop::Anew(Notice::SmallerChunks { chunk_bytes: SMALL_CHUNK_SIZE_BYTES, proxy });
    }
    Stop::Never(Error::ProxyLimit { sealed_bytes: u64::try_from(sealed_bytes).unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests;
