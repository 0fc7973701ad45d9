//! The tag log: the tag of every sealed chunk, on disk before the first byte of that chunk leaves the process.
//!
//! A (key, prefix, index) is sealed once only (docs/FORMAT.md, "Chunk"). A chunk that is sealed again, on resume, must
//! give the recorded tag, or the file changed and nothing of it may be sent. A tag that is lost in a power cut would
//! break that, so `record` returns once the tag is durable. One thread writes; a batch is what arrived during the last
//! sync, so that many chunks share one.
//!
//! Record `i` stands at 32 * i: tag (16) || check (16), all zero while there is none. 32 bytes never cross a sector, so a
//! record is there whole or not at all; the check binds it to its place and to the state that it belongs to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;
const RECORD_BYTES: usize = 32;

/// Why a tag was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum TagError {
    /// Another tag is recorded: the plaintext under this index was another.
    #[error("another tag is recorded")]
    Changed,
    /// What is recorded is neither nothing nor a tag.
    #[error("the tag log is damaged")]
    Damaged,
    /// It could not be made durable.
    #[error("{0}")]
    Io(Arc<io::Error>),
}

/// The tags of one upload.
#[derive(Clone, Debug)]
pub(crate) struct TagLog {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    index: u32,
    tag: [u8; TAG_BYTES],
    done: oneshot::Sender<Result<(), TagError>>,
}

impl TagLog {
    /// Makes an empty log for `total_chunks` chunks, bound to the state with the given checksum.
    pub(crate) fn create(path: &Path, total_chunks: u32, state: [u8; 32]) -> io::Result<Self> {
        let file = super::private_file(path)?;
        file.set_len(log_bytes(total_chunks))?;
        file.sync_all()?;
        Self::serve(file, state)
    }

    /// Opens the log of an earlier run and looks at every record; says which chunks have one.
    ///
    /// Returns `InvalidData` when the length or any record is not what this state wrote.
    pub(crate) fn open(path: &Path, total_chunks: u32, state: [u8; 32]) -> io::Result<(Self, Vec<bool>)> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.metadata()?.len() != log_bytes(total_chunks) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let recorded = (0..total_chunks).map(|index| Ok(read(&file, index, state)?.is_some()));
        let recorded = recorded.collect::<Result<_, TagError>>().map_err(|_| io::ErrorKind::InvalidData)?;
        Ok((Self::serve(file, state)?, recorded))
    }

    fn serve(file: File, state: [u8; 32]) -> io::Result<Self> {
        let (requests, queue) = mpsc::channel();
        thread::Builder::new().name("tag-log".into()).spawn(move || write_batches(&file, state, &queue))?;
        Ok(Self { requests })
    }

    /// Records the tag of chunk `index` and returns once it is durable.
    pub(crate) async fn record(&self, index: u32, tag: [u8; TAG_BYTES]) -> Result<(), TagError> {
        let (done, outcome) = oneshot::channel();
        let gone = || TagError::Io(Arc::new(io::ErrorKind::BrokenPipe.into()));
        self.requests.send(Request { index, tag, done }).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

fn log_bytes(total_chunks: u32) -> u64 {
    u64::from(total_chunks) * RECORD_BYTES as u64
}

/// Runs until the last [`TagLog`] is gone.
fn write_batches(file: &File, state: [u8; 32], queue: &mpsc::Receiver<Request>) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Request> = std::iter::once(first).chain(queue.try_iter()).collect();
        let written: Vec<_> = batch.iter().map(|request| write(file, request, state)).collect();
        // Also for tags that were there: the run that wrote them may have ended before its sync.
        let synced = file.sync_data().map_err(|error| TagError::Io(Arc::new(error)));
        for (request, outcome) in batch.into_iter().zip(written) {
            // Nobody waits when the upload was stopped; the record is then harmless.
            let _ = request.done.send(outcome.and(synced.clone()));
        }
    }
}

fn write(file: &File, request: &Request, state: [u8; 32]) -> Result<(), TagError> {
    match read(file, request.index, state)? {
        Some(recorded) if recorded == request.tag => Ok(()),
        Some(_) => Err(TagError::Changed),
        None => {
            let record = record_bytes(request.index, request.tag, state);
            file.write_all_at(&record, offset(request.index)).map_err(|error| TagError::Io(Arc::new(error)))
        }
    }
}

fn read(file: &File, index: u32, state: [u8; 32]) -> Result<Option<[u8; TAG_BYTES]>, TagError> {
    let mut record = [0; RECORD_BYTES];
    file.read_exact_at(&mut record, offset(index)).map_err(|error| TagError::Io(Arc::new(error)))?;
    if record == [0; RECORD_BYTES] {
        return Ok(None);
    }
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&record[..TAG_BYTES]);
    if record == record_bytes(index, tag, state) { Ok(Some(tag)) } else { Err(TagError::Damaged) }
}

fn offset(index: u32) -> u64 {
    u64::from(index) * RECORD_BYTES as u64
}

fn record_bytes(index: u32, tag: [u8; TAG_BYTES], state: [u8; 32]) -> [u8; RECORD_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(&state);
    hasher.update(&index.to_be_bytes()).update(&tag);
    let mut record = [0; RECORD_BYTES];
    record[..TAG_BYTES].copy_from_slice(&tag);
    record[TAG_BYTES..].copy_from_slice(&hasher.finalize().as_bytes()[..RECORD_BYTES - TAG_BYTES]);
    record
}

#[cfg(test)]
mod tests;
