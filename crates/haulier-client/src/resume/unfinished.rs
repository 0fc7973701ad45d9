//! Uploads that were cut off, as their owner sees them: listed without disturbing them, and given up.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use haulier_format::WriteKeys;
use haulier_wire::{Timestamp, TransferId};
use zeroize::Zeroizing;

use super::record::entries;
use super::{LOCK, STATE, State, Store, TAGS, remove};
use crate::error::Error;

/// Bytes of one record of the tag log.
const TAG_RECORD_BYTES: usize = 32;

/// One upload that was begun and not completed.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) transfer_id: TransferId,
    pub(crate) server: String,
    /// Whether its input is still there to be read again: a stream's is not.
    pub(crate) can_go_on: bool,
    /// The name that the receiver will see.
    pub(crate) name: String,
    pub(crate) file_size: u64,
    pub(crate) total_chunks: u32,
    /// Chunks that were sealed: at most one window more than the server has.
    pub(crate) sealed_chunks: u32,
    /// Whether a process is at it now.
    pub(crate) in_use: bool,
    /// By this machine's clock; absent where the file system has none.
    pub(crate) begun_at: Option<Timestamp>,
}

/// What became of the wish to hold an upload.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// It is held.
    Upload(Box<Claim>),
    /// Another process is at it.
    InUse,
    /// It cannot be read; nothing can be sealed from it either.
    Damaged,
    /// There is none.
    Nothing,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// The record of a transfer that was sent.
    Sent,
    /// An upload.
    Upload,
    /// Nothing: another process is uploading it.
    InUse,
    /// Nothing was known of it.
    Nothing,
}

/// An upload that is held exclusively, so that nobody can go on with it.
#[derive(Debug)]
pub(crate) struct Claim {
    folder: PathBuf,
    _lock: File,
    pub(crate) server: String,
    pub(crate) owner_token: Zeroizing<String>,
}

impl Claim {
    /// Removes the upload's keys and tags.
    pub(crate) fn discard(self) {
        remove(&self.folder);
    }
}

impl Store {
    /// Reads all unfinished uploads, the last begun first, and names the folders that hold none.
    pub(crate) fn unfinished(&self) -> Result<(Vec<Unfinished>, Vec<PathBuf>), Error> {
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for folder in entries(&self.root.join("uploads"))? {
            // A process is just making this one, or was killed before it sealed anything.
            if folder.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
                continue;
            }
            match read(&folder) {
                Some(unfinished) => whole.push(unfinished),
                None => damaged.push(folder),
            }
        }
        whole.sort_by(|a, b| (b.begun_at, &b.transfer_id).cmp(&(a.begun_at, &a.transfer_id)));
        damaged.sort();
        Ok((whole, damaged))
    }

    /// Takes hold of an unfinished upload.
    pub(crate) fn claim(&self, id: TransferId) -> Result<Claimed, Error> {
        let folder = self.root.join("uploads").join(id.as_str());
        let lock = match hold(&folder)? {
            Held::Lock(lock) => lock,
            Held::InUse => return Ok(Claimed::InUse),
            Held::Nothing => return Ok(Claimed::Nothing),
        };
        let Some(state) = read_state(&folder) else { return Ok(Claimed::Damaged) };
        let Ok(keys) = WriteKeys::restore(&state.keys) else { return Ok(Claimed::Damaged) };
        let owner_token = Zeroizing::new(keys.owner_token().as_str().to_owned());
        Ok(Claimed::Upload(Box::new(Claim { folder, _lock: lock, server: state.request.server, owner_token })))
    }

    /// Forgets all that is kept of a transfer, damaged or not, without a word to its server; unless a process is uploading
    /// it.
    pub(crate) fn forget(&self, id: TransferId) -> Result<Forgotten, Error> {
        let folder = self.root.join("uploads").join(id.as_str());
        let held = hold(&folder)?;
        if matches!(held, Held::InUse) {
            return Ok(Forgotten::InUse);
        }
        let upload = folder.exists();
        remove(&folder);
        if folder.exists() {
            return Err(Error::state(folder, io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let record = self.forget_record(id)?;
        Ok(match (record, upload) {
            (true, _) => Forgotten::Sent,
            (false, true) => Forgotten::Upload,
            (false, false) => Forgotten::Nothing,
        })
    }
}

/// What became of the wish for an upload's lock.
#[derive(Debug)]
enum Held {
    Lock(File),
    InUse,
    Nothing,
}

fn hold(folder: &Path) -> Result<Held, Error> {
    let lock = match File::options().read(true).write(true).open(folder.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::Nothing),
        Err(error) => return Err(Error::state(folder, error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Held::Lock(lock)),
        Err(TryLockError::WouldBlock) => Ok(Held::InUse),
        Err(TryLockError::Error(error)) => Err(Error::state(folder, error)),
    }
}

fn read(folder: &Path) -> Option<Unfinished> {
    let state = read_state(folder)?;
    Some(Unfinished {
        transfer_id: state.keys.transfer_id,
        can_go_on: !state.request.is_stream(),
        name: state.name,
        file_size: state.create.file_size.get(),
        total_chunks: state.create.total_chunks.get(),
        sealed_chunks: sealed_chunks(&folder.join(TAGS)),
        in_use: in_use(&folder.join(LOCK)),
        begun_at: begun_at(&folder.join(STATE)),
        server: state.request.server,
    })
}

/// A copy under another name is none: its keys are another folder's.
fn read_state(folder: &Path) -> Option<State> {
    let text = Zeroizing::new(fs::read(folder.join(STATE)).ok()?);
    let (state, _) = State::decode(&text)?;
    (folder.file_name()? == state.keys.transfer_id.as_str()).then_some(state)
}

fn sealed_chunks(tags: &Path) -> u32 {
    let log = fs::read(tags).unwrap_or_default();
    let sealed = log.chunks(TAG_RECORD_BYTES).filter(|record| record.iter().any(|byte| *byte != 0)).count();
    u32::try_from(sealed).unwrap_or(u32::MAX)
}

/// Asks with a shared lock that is given back at once. A send that begins in this very moment takes the upload for one
/// in use and makes a transfer of its own, which costs time and nothing else.
fn in_use(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn begun_at(state: &Path) -> Option<Timestamp> {
    Timestamp::try_from(state.metadata().ok()?.modified().ok()?).ok()
}
