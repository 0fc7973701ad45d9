//! The sealed blob as it is kept: `.haulier-ID.blob` beside the target, locked, readable by its owner alone. Whether an
//! earlier run's beginning is the right one shows when the tag is checked.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haulier_format::foreign::send_blob::{
    BLOB_OVERHEAD, BlobCheck, BlobOpener, MAX_BLOB_PLAINTEXT, MAX_ENVELOPE_BYTES, plaintext_len, read_envelope,
};
use haulier_format::{LinkKey, TransferId};
use rustix::io::Errno;

use super::super::chunk_log::{is_at, is_own_file, open};
use super::{damaged, name_of, not_opened, read_at};
use crate::error::Error;

/// Read and opened at once.
const BLOCK_BYTES: usize = 1 << 20;
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Another process can remove or replace the file between two steps only so often.
const TRIES: usize = 16;

/// What stands behind the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Where it begins in the plaintext.
    pub(super) start: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// A name that can be a file's.
    pub(super) name: String,
    /// Whether the sender gave another.
    pub(super) is_renamed: bool,
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.end - self.start
    }
}

/// A blob on disk, or its beginning; this process's alone.
#[derive(Debug)]
pub(super) struct SealedFile {
    path: PathBuf,
    file: Arc<File>,
    len: u64,
}

impl SealedFile {
    /// Takes what an earlier run left in a folder, or begins. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetInUse`] when another process holds it, and [`Error::TargetUnwritable`].
    pub(super) fn claim(folder: &Path, id: TransferId) -> Result<Self, Error> {
        let path = folder.join(format!(".haulier-{id}.blob"));
        let failed = |error: io::Error| Error::unwritable(&path, error);
        for _ in 0..TRIES {
            let file = match open(&path) {
                Ok(file) => file,
                // A link, which is not followed.
                Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    fs::remove_file(&path).map_err(failed)?;
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(Error::TargetInUse { path }),
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            if !is_at(&file, &path).map_err(failed)? {
                continue;
            }
            let found = file.metadata().map_err(failed)?;
            // Others could write to it between its check and its opening.
            let is_private = std::os::unix::fs::MetadataExt::mode(&found) & 0o077 == 0;
            if !is_own_file(&found) || !is_private || found.len() > MAX_BLOB_PLAINTEXT + BLOB_OVERHEAD {
                fs::remove_file(&path).map_err(failed)?;
                continue;
            }
            return Ok(Self { path, len: found.len(), file: Arc::new(file) });
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    /// Bytes that an earlier run left.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Whether there is nothing to go on from.
    pub(super) fn holds_nothing(&self) -> bool {
        self.file.metadata().map_or(true, |metadata| metadata.len() == 0)
    }

    /// The same file without a byte in it. Blocks.
    pub(super) fn emptied(self) -> Result<Self, Error> {
        self.file.set_len(0).map_err(|error| Error::unwritable(&self.path, error))?;
        Ok(Self { len: 0, ..self })
    }

    /// Where its content is opened to, in the target's folder.
    pub(super) fn part_path(&self, folder: &Path) -> PathBuf {
        folder.join(self.path.with_extension("part").file_name().unwrap_or_default())
    }

    /// Removes it; the lock ends with `self`. Blocks.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Compares the tag of a blob of `len` bytes, and reads its envelope. Blocks.
    ///
    /// # Errors
    /// [`Error::WrongKey`]: another key, or a blob that was damaged.
    pub(super) fn check(&self, len: u64, key: &LinkKey, id: TransferId) -> Result<(BlobOpener, Content), Error> {
        let failed = |error: io::Error| Error::unwritable(&self.path, error);
        let end = plaintext_len(len).map_err(|_| damaged("it is shorter than any blob"))?;
        // What an earlier beginning was longer than.
        self.file.set_len(len).map_err(failed)?;
        let (mut iv, mut tag) = ([0; IV_BYTES], [0; TAG_BYTES]);
        read_at(&self.file, &mut iv, 0).map_err(failed)?;
        read_at(&self.file, &mut tag, len - TAG_BYTES as u64).map_err(failed)?;
        let mut check = BlobCheck::new(key, &iv);
        self.each_block(0, end, |_, block| {
            check.update(block);
            Ok(())
        })?;
        let mut opener = check.finish(&tag).map_err(|_| not_opened())?;
        let mut head = vec![0; usize::try_from(end).unwrap_or(usize::MAX).min(MAX_ENVELOPE_BYTES)];
        read_at(&self.file, &mut head, IV_BYTES as u64).map_err(failed)?;
        opener.open_at(0, &mut head).map_err(|_| not_opened())?;
        let envelope = read_envelope(&head);
        let (name, is_renamed) = name_of(envelope.file_name, id);
        Ok((opener, Content { start: envelope.content_start as u64, end, name, is_renamed }))
    }

    /// Shows the opened content, block by block, each with its place in the content. Blocks.
    ///
    /// # Errors
    /// Those of `take` and of the disk.
    pub(super) fn open_all(
        &self,
        opener: &mut BlobOpener,
        content: &Content,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.each_block(content.start, content.end, |offset, block| {
            opener.open_at(offset, block).map_err(|_| not_opened())?;
            take(offset - content.start, block)
        })
    }

    /// Reads the ciphertext from one place in the plaintext to another.
    fn each_block(
        &self,
        start: u64,
        end: u64,
        mut show: impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut offset = start;
        while offset < end {
            let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            let bytes = &mut block[..len];
            read_at(&self.file, bytes, offset + IV_BYTES as u64)
                .map_err(|error| Error::unwritable(&self.path, error))?;
            show(offset, bytes)?;
            offset += len as u64;
        }
        Ok(())
    }
}
