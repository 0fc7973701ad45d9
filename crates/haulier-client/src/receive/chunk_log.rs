//! Which chunks have arrived in a part: one slot for each, with a keyed hash of what the chunk left in the part.
//!
//! The key comes from the machine's own key, the download token and everything that the part's content depends on. So a
//! slot is right only for this transfer, this selection and these bytes, and nobody but this user can make one: not who
//! can write to the disk, and not who has the same link. A slot is believed only after the part was read again: that is why nothing has to be synced before it is
//! written, and why neither a power cut nor a changed part can become a wrong file.
//!
//! The lock on this file is the right to write to the part.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::Error;

const MAGIC: &[u8; 16] = b"haulier chunks 1";
const HASH_BYTES: usize = blake3::OUT_LEN;
const HEADER_BYTES: usize = MAGIC.len() + HASH_BYTES;
/// Slots read at once: 128 KiB.
const BLOCK_SLOTS: u32 = 4_096;
/// Another process can remove or replace the file between two steps only so often.
const TRIES: usize = 16;

/// What a slot holds.
pub(super) type Slot = [u8; HASH_BYTES];

/// The log of one part, locked.
#[derive(Debug)]
pub(super) struct ChunkLog {
    file: File,
    path: PathBuf,
    key: [u8; HASH_BYTES],
}

/// What stood under the log's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A log of the same part.
    Same,
    /// Something else, which is gone now; the part that it spoke of is of no use.
    Unusable,
}

impl ChunkLog {
    /// Takes the log at `path`, or makes it. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetInUse`] when another process holds it, and [`Error::TargetUnwritable`].
    pub(super) fn claim(path: &Path, key: [u8; HASH_BYTES]) -> Result<(Self, Found), Error> {
        let failed = |error: io::Error| Error::unwritable(path, error);
        let mut found = Found::Nothing;
        for _ in 0..TRIES {
            let file = match open(path) {
                Ok(file) => file,
                // A link, which is not followed.
                Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    fs::remove_file(path).map_err(failed)?;
                    found = Found::Unusable;
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(Error::TargetInUse { path: path.to_owned() }),
                // A file system without locks: what arrives is checked all the same.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            if !is_at(&file, path).map_err(failed)? {
                continue;
            }
            if !is_own_file(&file.metadata().map_err(failed)?) {
                fs::remove_file(path).map_err(failed)?;
                found = Found::Unusable;
                continue;
            }
            let log = Self { file, path: path.to_owned(), key };
            let header = log.read_header(found).map_err(failed)?;
            return Ok((log, header));
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    fn read_header(&self, before: Found) -> io::Result<Found> {
        let mut expected = [0; HEADER_BYTES];
        expected[..MAGIC.len()].copy_from_slice(MAGIC);
        expected[MAGIC.len()..].copy_from_slice(blake3::keyed_hash(&self.key, MAGIC).as_bytes());
        let mut header = [0; HEADER_BYTES];
        let found = match self.file.metadata()?.len() {
            0 => before,
            len if len >= HEADER_BYTES as u64 => {
                self.file.read_exact_at(&mut header, 0)?;
                if header == expected { Found::Same } else { Found::Unusable }
            }
            _ => Found::Unusable,
        };
        if found != Found::Same {
            self.file.set_len(0)?;
            self.file.write_all_at(&expected, 0)?;
        }
        Ok(found)
    }

    /// Forgets every chunk.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.file.set_len(HEADER_BYTES as u64)
    }

    /// Reads the slots that are set, of these chunks.
    pub(super) fn slots(&self, chunks: &[Range<u32>]) -> io::Result<Vec<(u32, Slot)>> {
        let mut found = Vec::new();
        let end = u32::try_from(self.file.metadata()?.len() / HASH_BYTES as u64).unwrap_or(u32::MAX);
        let mut block = vec![0; BLOCK_SLOTS as usize * HASH_BYTES];
        for range in chunks {
            let mut first = range.start;
            while first < range.end.min(end) {
                let len = self.read_up_to(&mut block, slot_offset(first))?;
                let whole = block[..len].as_chunks::<HASH_BYTES>().0;
                let set = (first..range.end).zip(whole).filter(|(_, slot)| **slot != [0; HASH_BYTES]);
                found.extend(set.map(|(index, slot)| (index, *slot)));
                first = first.saturating_add(BLOCK_SLOTS);
            }
        }
        Ok(found)
    }

    fn read_up_to(&self, block: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut len = 0;
        while len < block.len() {
            match self.file.read_at(&mut block[len..], offset + len as u64) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(len)
    }

    /// Begins the hash of what chunk `index` leaves in the part.
    pub(super) fn hasher(&self, index: u32) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&index.to_be_bytes());
        hasher
    }

    /// Notes that chunk `index` is in the part; `hasher` saw what it left there.
    pub(super) fn note(&self, index: u32, hasher: &blake3::Hasher) -> io::Result<()> {
        self.file.write_all_at(hasher.finalize().as_bytes(), slot_offset(index))
    }

    /// Removes the log; the lock ends with `self`.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Opens a file of one's own, or makes it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Whatever is planted there, opening it neither follows nor waits.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

/// Whether the name still leads to this file: another process may have ended with it, or replaced it, since.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())))
}

/// Whether it is a regular file of this user under one name: writing to it then changes nothing else.
pub(super) fn is_own_file(metadata: &fs::Metadata) -> bool {
    metadata.is_file() && metadata.nlink() == 1 && is_own(metadata)
}

/// Whether it belongs to this user.
pub(super) fn is_own(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn slot_offset(index: u32) -> u64 {
    HEADER_BYTES as u64 + u64::from(index) * HASH_BYTES as u64
}

#[cfg(test)]
mod tests;
