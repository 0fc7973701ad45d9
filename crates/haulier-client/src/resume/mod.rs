//! The local state: unfinished uploads with their keys and tags, and what was sent from this machine.
//!
//! | file | holds |
//! |---|---|
//! | `uploads/ID/lock` | nothing; locked by the process that uploads |
//! | `uploads/ID/state.json` | keys and create request, written once |
//! | `uploads/ID/tags` | the tag log |
//! | `machine-key` | a random key, under which `get` notes what has arrived |
//! | `sent/ID.json` | of a finished transfer: owner token (of a blob, delete token) and description, no key |

mod machine;
mod record;
mod state;
mod tags;
mod tidy;
mod unfinished;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use haulier_format::WriteKeys;
use haulier_wire::{Timestamp, TransferId};
use zeroize::Zeroizing;

pub(crate) use machine::machine_key;
pub(crate) use record::{SentAs, SentRecord};
pub(crate) use state::{Fingerprint, Request, State};
pub(crate) use tags::{TagError, TagLog};
pub(crate) use unfinished::{Claim, Claimed, Forgotten, Unfinished};

use crate::error::Error;

const LOCK: &str = "lock";
const STATE: &str = "state.json";
const TAGS: &str = "tags";

/// The folder of all local state. All of its functions block.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// What there is of an earlier upload.
#[derive(Debug)]
pub(crate) enum Found {
    /// It can go on.
    Upload(Box<Upload>),
    /// Another process is at it.
    InUse,
    /// The input has changed since.
    InputChanged(Box<Upload>),
    /// Its state is damaged, and was removed.
    Unusable,
    /// There is none.
    Nothing,
}

/// One unfinished upload, held exclusively.
#[derive(Debug)]
pub(crate) struct Upload {
    folder: PathBuf,
    _lock: File,
    /// What it was begun with.
    pub(crate) state: State,
    /// Its keys.
    pub(crate) keys: WriteKeys,
    /// Its tags.
    pub(crate) tags: TagLog,
    /// Which chunks an earlier run sealed; `None` when there was no earlier run.
    pub(crate) recorded: Option<Vec<bool>>,
}

impl Store {
    /// Makes the folders where they are missing, and removes what nobody can go on with.
    pub(crate) fn open(root: &Path, now: Timestamp) -> Result<Self, Error> {
        for folder in ["uploads", "sent"] {
            let folder = root.join(folder);
            private_folders(&folder).and_then(|()| check_own(&folder)).map_err(|error| Error::state(&folder, error))?;
        }
        tidy::tidy(&root.join("uploads"), now);
        Ok(Self { root: root.to_owned() })
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps a new upload; its folder is locked and its state durable when this returns.
    pub(crate) fn create(&self, state: State, keys: WriteKeys) -> Result<Upload, Error> {
        let uploads = self.root.join("uploads");
        let folder = uploads.join(keys.transfer_id().as_str());
        // Others look at it, and try its lock, only once it has its name.
        let staged = uploads.join(format!(".{}", keys.transfer_id()));
        let failed = |error| Error::state(&folder, error);
        DirBuilder::new().mode(0o700).create(&staged).map_err(failed)?;
        let lock = private_file(&staged.join(LOCK)).map_err(failed)?;
        lock.try_lock().map_err(|error| failed(error.into()))?;
        let (text, checksum) = state.encode();
        let total_chunks = state.create.total_chunks.get();
        let tags = TagLog::create(&staged.join(TAGS), total_chunks, checksum).map_err(failed)?;
        write_durably(&staged.join(STATE), &text).map_err(failed)?;
        fs::rename(&staged, &folder).map_err(failed)?;
        sync_folder(&uploads).map_err(failed)?;
        Ok(Upload { folder, _lock: lock, state, keys, tags, recorded: None })
    }

    /// Looks for an unfinished upload of the same request.
    pub(crate) fn find(&self, request: &Request, input: &Fingerprint) -> Result<Found, Error> {
        let uploads = self.root.join("uploads");
        let mut result = Found::Nothing;
        for entry in fs::read_dir(&uploads).map_err(|error| Error::state(&uploads, error))? {
            let Ok(entry) = entry else { continue };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match look_at(&entry.path(), request, input) {
                found @ (Found::Upload(_) | Found::InputChanged(_)) => return Ok(found),
                Found::Nothing => {}
                found @ (Found::InUse | Found::Unusable) => result = found,
            }
        }
        Ok(result)
    }

    /// Whether a transfer was finished from here.
    pub(crate) fn is_recorded(&self, id: &TransferId) -> bool {
        self.root.join("sent").join(format!("{id}.json")).exists()
    }

    /// Keeps what `list` and `rm` need of a finished transfer.
    pub(crate) fn record(&self, record: &SentRecord) -> Result<(), Error> {
        let path = self.root.join("sent").join(format!("{}.json", record.transfer_id));
        let text = Zeroizing::new(serde_json::to_vec(record).unwrap_or_default());
        write_durably(&path, &text).map_err(|error| Error::state(&path, error))
    }
}

impl Upload {
    /// Whether an earlier run sealed a chunk, and so may have sent it.
    pub(crate) fn sealed_before(&self, index: u32) -> bool {
        let recorded = self.recorded.as_deref().unwrap_or_default();
        usize::try_from(index).is_ok_and(|index| recorded.get(index) == Some(&true))
    }

    /// Forgets the upload, its keys and its tags.
    pub(crate) fn discard(self) {
        self.remove_files();
    }

    /// As [`Upload::discard`], while others still hold it: they can go on sending what is sealed, and nobody can resume.
    pub(crate) fn remove_files(&self) {
        // What cannot be removed stays 0600, and is looked at again by the next run.
        remove(&self.folder);
    }
}

fn look_at(folder: &Path, request: &Request, input: &Fingerprint) -> Found {
    // Without a lock file, another process is just making, or removing, this folder.
    let Ok(lock) = File::options().read(true).write(true).open(folder.join(LOCK)) else { return Found::Nothing };
    let locked = match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => return Found::Nothing,
    };
    let text = match fs::read(folder.join(STATE)) {
        Ok(text) => Zeroizing::new(text),
        // Removed by the process that had the lock a moment ago, or never written: nothing was sealed then.
        Err(_) => {
            if locked {
                remove(folder);
            }
            return Found::Nothing;
        }
    };
    let Some((state, checksum)) = State::decode(&text) else {
        return if locked { unusable(folder) } else { Found::Nothing };
    };
    // A copy under another name would put one set of keys under two locks.
    if folder.file_name() != Some(state.keys.transfer_id.as_str().as_ref()) {
        return if locked { unusable(folder) } else { Found::Nothing };
    }
    if state.request != *request {
        return Found::Nothing;
    }
    if !locked {
        return Found::InUse;
    }
    let tags = TagLog::open(&folder.join(TAGS), state.create.total_chunks.get(), checksum);
    let (Ok((tags, recorded)), Ok(keys)) = (tags, WriteKeys::restore(&state.keys)) else { return unusable(folder) };
    let same = state.input == *input;
    let upload = Upload { folder: folder.to_owned(), _lock: lock, state, keys, tags, recorded: Some(recorded) };
    if same { Found::Upload(Box::new(upload)) } else { Found::InputChanged(Box::new(upload)) }
}

/// A damaged state must never be sealed from again.
fn unusable(folder: &Path) -> Found {
    remove(folder);
    Found::Unusable
}

/// Removes the keys first: a crash in between leaves nothing that could be resumed.
fn remove(folder: &Path) {
    for name in [STATE, TAGS, LOCK] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

/// Makes a new file that is the owner's alone.
fn private_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) fn private_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whoever else could write here could plant keys of theirs.
fn check_own(path: &Path) -> io::Result<()> {
    let metadata = path.metadata()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    if is_own { Ok(()) } else { Err(io::Error::other("others can write there; it must be yours alone (chmod 700)")) }
}

/// Writes a file of mode 0600 whole or not at all, and makes it durable with its name.
pub(crate) fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("new");
    let _ = fs::remove_file(&staged);
    let mut file = private_file(&staged)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests;
