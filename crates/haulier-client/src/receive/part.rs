//! Where opened chunks go until all of them are there: a hidden file, or folder of files, beside the target.
//!
//! Nothing appears under the target's name before `publish`, and `publish` replaces nothing unless told to, also not
//! what appeared in the meantime. Until then nobody but its owner may read it, and no link in it is followed.

mod tree;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{
    CWD, Mode, OFlags, RawMode, RenameFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, futimens, renameat_with,
};
use rustix::io::Errno;

use super::chunk_log::is_own_file;
use super::selection::{Piece, overlaps};
use super::target::{exists, parent_of};
use crate::error::Error;

use tree::{Tree, remove_made};

/// Bytes of a block of `st_blocks`, on every system.
pub(super) const BLOCK_BYTES: u64 = 512;
/// Read at once when a part is checked.
const READ_BYTES: usize = 1 << 20;

/// The files of a get that is not complete.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    pieces: Vec<Piece>,
    open: Open,
    /// What the disk had beyond the whole.
    spare_bytes: u64,
}

#[derive(Debug)]
enum Open {
    File(File),
    Folder(Tree),
}

impl Part {
    /// Opens what an earlier run left at `path`, if it is of this shape and nobody else's. Blocks.
    ///
    /// What is in it already needs no room; `spendable_bytes` are occupied by what may go.
    ///
    /// # Errors
    /// Those of the disk, and of [`check_room`].
    pub(super) fn reopen(
        path: &Path,
        folder: bool,
        pieces: &[Piece],
        spendable_bytes: u64,
    ) -> Result<Option<Self>, Error> {
        let Ok(open) = Self::try_reopen(path, folder, pieces) else { return Ok(None) };
        let mut part = Self { path: path.to_owned(), pieces: pieces.to_vec(), open, spare_bytes: 0 };
        let occupied = part.lay_out().map_err(|error| Error::unwritable(path, error))?;
        part.spare_bytes = check_room(parent_of(path), size_of(pieces).saturating_sub(occupied), spendable_bytes)?;
        Ok(Some(part))
    }

    fn try_reopen(path: &Path, folder: bool, pieces: &[Piece]) -> io::Result<Open> {
        if folder {
            return Ok(Open::Folder(Tree::reopen(path, pieces)?));
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !is_own_file(&metadata) || metadata.len() != size_of(pieces) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(Open::File(file))
    }

    /// Makes an empty part at `path`, where nothing stands. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetUnwritable`] and [`Error::NoRoom`].
    pub(super) fn create(path: &Path, folder: bool, pieces: &[Piece]) -> Result<Self, Error> {
        let spare_bytes = check_room(parent_of(path), size_of(pieces), 0)?;
        let open = if folder { Tree::create(path).map(Open::Folder) } else { create_file(path).map(Open::File) };
        let open = open.map_err(|error| Error::unwritable(path, error))?;
        let part = Self { path: path.to_owned(), pieces: pieces.to_vec(), open, spare_bytes };
        if let Err(error) = part.lay_out() {
            part.remove();
            return Err(Error::unwritable(path, error));
        }
        Ok(part)
    }

    /// Bytes that the disk had beyond the whole when the part was opened.
    pub(super) fn spare_bytes(&self) -> u64 {
        self.spare_bytes
    }

    /// Gives every file its place and its size; returns the bytes that are occupied already.
    fn lay_out(&self) -> io::Result<u64> {
        match &self.open {
            Open::File(file) => {
                file.set_len(size_of(&self.pieces))?;
                Ok(file.metadata()?.blocks() * BLOCK_BYTES)
            }
            Open::Folder(tree) => tree.lay_out(&self.pieces),
        }
    }

    /// Writes what is wanted of a chunk to its places and shows it to `hasher`. Blocks; many threads may at once.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn write(&self, plaintext: &[u8], offset: u64, hasher: &mut blake3::Hasher) -> io::Result<()> {
        for (piece, _, from, bytes) in overlaps(&self.pieces, offset, plaintext.len()) {
            let bytes = &plaintext[bytes];
            hasher.update(bytes);
            self.with_file(piece, |file| file.write_all_at(bytes, from))?;
        }
        Ok(())
    }

    /// Reads back what [`Part::write`] wrote of a chunk, and shows it to `hasher`. Blocks.
    ///
    /// # Errors
    /// Those of the disk, also when a file is shorter than it should be.
    pub(super) fn read(&self, offset: u64, len: usize, hasher: &mut blake3::Hasher) -> io::Result<()> {
        let mut block = vec![0; READ_BYTES.min(len)];
        for (piece, _, mut from, bytes) in overlaps(&self.pieces, offset, len) {
            let mut left = bytes.len();
            self.with_file(piece, |file| {
                while left > 0 {
                    let now = left.min(block.len());
                    file.read_exact_at(&mut block[..now], from)?;
                    hasher.update(&block[..now]);
                    from += now as u64;
                    left -= now;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn with_file(&self, piece: &Piece, act: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        match &self.open {
            Open::File(file) => act(file),
            Open::Folder(tree) => act(&tree.open(&piece.path)?),
        }
    }

    /// Makes what was written so far durable, so that little is left for the end. Blocks.
    pub(super) fn sync_some(&self) -> io::Result<()> {
        match &self.open {
            Open::File(file) => file.sync_data(),
            Open::Folder(tree) => tree.sync_some(),
        }
    }

    /// Gives the whole its name: durable first, then visible. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `replace`, and [`Error::TargetUnwritable`]; the part is then still there.
    pub(super) fn publish(&self, target: &Path, replace: bool) -> Result<(), Error> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::IsADirectory => {
                Error::TargetExists { path: target.to_owned() }
            }
            _ => Error::unwritable(target, error),
        };
        self.set_mtimes();
        let rw = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let (root, granted) = match &self.open {
            Open::File(file) => (file, rw),
            Open::Folder(tree) => (tree.root(), rw | Mode::XUSR | Mode::XGRP | Mode::XOTH),
        };
        let synced = match &self.open {
            Open::File(file) => file.sync_all(),
            Open::Folder(tree) => tree.sync_all(&self.pieces),
        };
        synced.map_err(failed)?;
        let replaced = target.symlink_metadata().ok().filter(|found| replace && found.is_file());
        // Only a file can be replaced in one step; a folder never is.
        let renamed = match &self.open {
            Open::File(_) if replace => fs::rename(&self.path, target),
            Open::File(_) => rename_new(&self.path, target, false),
            Open::Folder(_) => rename_new(&self.path, target, true),
        };
        renamed.map_err(failed)?;
        // The name is there. Its mode, and that it survives a power cut, are worth a try and no reason to fail.
        // A file that was replaced hands its permissions on, and nothing beyond them: no setuid.
        // Only between files of the same user and group: else others could read it, or somebody chooses who may write.
        let usual = granted - umask();
        let own = fstat(root).ok();
        let mode = replaced.map_or(usual, |file| {
            let mode = Mode::from_raw_mode(file.mode() & 0o777);
            let is_alike = own.is_some_and(|own| (own.st_uid, own.st_gid) == (file.uid(), file.gid()));
            if is_alike { mode } else { mode & usual }
        });
        let _ = fchmod(root, mode);
        let _ = File::open(parent_of(target)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// The senders' times are advice: not every file system can hold them.
    fn set_mtimes(&self) {
        for piece in &self.pieces {
            let Some(seconds) = piece.mtime else { continue };
            let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let times = Timestamps { last_access: omit, last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 } };
            let _ = match &self.open {
                Open::File(file) => futimens(file, &times),
                Open::Folder(tree) => tree.set_times(&piece.path, &times),
            };
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and nothing that somebody else put into it. Nothing more can be done about a leftover, whose name says
    /// what it is.
    pub(super) fn remove(&self) {
        let _ = remove_part(&self.path, self.pieces.iter().map(|piece| piece.path.as_str()));
    }
}

/// Removes what stands under a part's name: a file, or a link itself; of a folder, these files alone and the folders that
/// are empty then. Returns whether something that is not ours stays, and with it the folder.
pub(super) fn remove_part<'p>(path: &Path, files: impl Iterator<Item = &'p str>) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(metadata) if metadata.is_dir() => remove_made(path, files),
        _ => fs::remove_file(path).map(|()| false),
    }
}

fn create_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn size_of(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.size).sum()
}

/// What the umask denies.
fn umask() -> Mode {
    static DENIED: OnceLock<Mode> = OnceLock::new();
    *DENIED.get_or_init(|| told_umask().unwrap_or_else(asked_umask))
}

/// As Linux tells it.
fn told_umask() -> Option<Mode> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let digits = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    RawMode::from_str_radix(digits.trim(), 8).ok().map(Mode::from_raw_mode)
}

/// Elsewhere it can only be read by setting it: once, and to the strictest, for a moment.
fn asked_umask() -> Mode {
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(before);
    before
}

/// Renames unless the new name is taken, in one step where the file system can.
pub(super) fn rename_new(from: &Path, to: &Path, is_folder: bool) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS) if !is_folder => fs::hard_link(from, to).and_then(|()| fs::remove_file(from)),
        Err(Errno::INVAL | Errno::NOSYS) if exists(to) => Err(io::ErrorKind::AlreadyExists.into()),
        // A folder that appears just now is kept unless it is empty.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what the disk has no room for, before anything is made; returns the bytes that it has beyond that.
fn check_room(folder: &Path, needed_bytes: u64, spendable_bytes: u64) -> Result<u64, Error> {
    let Ok(room) = rustix::fs::statvfs(folder) else { return Ok(0) };
    // File systems that are none, such as /proc, count nothing.
    if room.f_blocks == 0 {
        return Ok(0);
    }
    let free_bytes = room.f_bavail.saturating_mul(room.f_frsize).saturating_add(spendable_bytes);
    if needed_bytes <= free_bytes {
        return Ok(free_bytes - needed_bytes);
    }
    Err(Error::NoRoom { path: folder.to_owned(), needed_bytes, free_bytes })
}

#[cfg(test)]
mod tests;
