//! Where opened chunks go until all of them are there: a file, or a folder of files, beside the target.
//!
//! Nothing appears under the target's name before `publish`, and `publish` replaces nothing unless told to, also not
//! what appeared in the meantime. What is not published is removed when the sink is dropped.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::Error;

/// One file of a folder that is received: its place in the folder and in the plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Relative path, checked by the format.
    pub(crate) path: PathBuf,
    /// Where the file begins in the plaintext, in bytes.
    pub(crate) offset: u64,
    /// Bytes of the file.
    pub(crate) size: u64,
}

/// What a transfer becomes on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One file.
    File,
    /// A folder with files, in the order of their offsets.
    Folder(Vec<Piece>),
}

/// Takes opened chunks in any order and publishes the whole.
#[derive(Debug)]
pub(crate) struct Sink {
    temporary: PathBuf,
    target: PathBuf,
    /// What the umask grants; the temporary file or folder itself is the owner's alone.
    mode: u32,
    open: Open,
    published: bool,
}

#[derive(Debug)]
enum Open {
    File(File),
    Folder(Vec<Piece>),
}

impl Sink {
    /// Makes the temporary file or folder beside `target`, named after `unique`. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetUnwritable`] and [`Error::NoRoom`].
    pub(crate) fn create(target: &Path, shape: Shape, size: u64, unique: &str) -> Result<Self, Error> {
        let parent = parent_of(target);
        check_room(parent, size)?;
        let temporary = parent.join(format!(".haulier-{unique}.part"));
        let (open, mode) = match shape {
            Shape::File => create_file(&temporary, size).map(|(file, mode)| (Open::File(file), mode)),
            Shape::Folder(pieces) => create_folder(&temporary).map(|mode| (Open::Folder(pieces), mode)),
        }
        .map_err(|error| Error::unwritable(target, error))?;
        let sink = Self { temporary, target: target.to_owned(), mode, open, published: false };
        sink.create_pieces().map_err(|error| Error::unwritable(target, error))?;
        Ok(sink)
    }

    fn create_pieces(&self) -> io::Result<()> {
        let Open::Folder(pieces) = &self.open else { return Ok(()) };
        for piece in pieces {
            let path = self.temporary.join(&piece.path);
            fs::create_dir_all(path.parent().unwrap_or(&self.temporary))?;
            File::create_new(&path)?.set_len(piece.size)?;
        }
        Ok(())
    }

    /// Writes plaintext at its offset. Blocks; may be called from many threads at once.
    ///
    /// # Errors
    /// [`Error::TargetUnwritable`].
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let written = match &self.open {
            Open::File(file) => file.write_all_at(bytes, offset),
            Open::Folder(pieces) => self.write_pieces(pieces, bytes, offset),
        };
        written.map_err(|error| Error::unwritable(&self.target, error))
    }

    fn write_pieces(&self, pieces: &[Piece], bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let first = pieces.partition_point(|piece| piece.offset + piece.size <= offset);
        for piece in pieces[first..].iter().take_while(|piece| piece.offset < end) {
            let from = piece.offset.max(offset);
            let to = (piece.offset + piece.size).min(end);
            if from < to {
                let part = &bytes[usize_of(from - offset)..usize_of(to - offset)];
                open_existing(&self.temporary.join(&piece.path))?.write_all_at(part, from - piece.offset)?;
            }
        }
        Ok(())
    }

    /// Makes what was written so far durable, so that little is left for the end. Blocks.
    pub(crate) fn sync_some(&self) -> Result<(), Error> {
        match &self.open {
            Open::File(file) => file.sync_data().map_err(|error| Error::unwritable(&self.target, error)),
            Open::Folder(_) => Ok(()),
        }
    }

    /// Gives the whole its name: durable first, then visible. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `replace`, and [`Error::TargetUnwritable`]; nothing is then left behind.
    pub(crate) fn publish(mut self, replace: bool) -> Result<PathBuf, Error> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::IsADirectory => {
                Error::TargetExists { path: self.target.clone() }
            }
            _ => Error::unwritable(&self.target, error),
        };
        self.sync_all().map_err(failed)?;
        fs::set_permissions(&self.temporary, Permissions::from_mode(self.mode)).map_err(failed)?;
        // Only a file can be replaced in one step; a folder never is.
        if replace && matches!(self.open, Open::File(_)) {
            fs::rename(&self.temporary, &self.target).map_err(failed)?;
        } else {
            rename_new(&self.temporary, &self.target, &self.open).map_err(failed)?;
        }
        self.published = true;
        // The name is there; that it survives a power cut is worth a try, and no reason to fail.
        let _ = File::open(parent_of(&self.target)).and_then(|folder| folder.sync_all());
        Ok(self.target.clone())
    }

    fn sync_all(&self) -> io::Result<()> {
        match &self.open {
            Open::File(file) => file.sync_all(),
            Open::Folder(pieces) => {
                pieces.iter().try_for_each(|piece| open_existing(&self.temporary.join(&piece.path))?.sync_all())
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done about a leftover, whose name says what it is.
            let _ = match self.open {
                Open::File(_) => fs::remove_file(&self.temporary),
                Open::Folder(_) => fs::remove_dir_all(&self.temporary),
            };
        }
    }
}

/// Whether something, also a broken link, stands under the name.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Opens a file that this sink created, through no link in its last step; the folders above are the owner's alone.
fn open_existing(path: &Path) -> io::Result<File> {
    File::options().write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
}

/// The mode that the umask grants is read off the new, still empty file; until `publish` nobody else may read it.
fn create_file(path: &Path, size: u64) -> io::Result<(File, u32)> {
    let file = File::create_new(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let made = file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.set_len(size));
    if let Err(error) = made {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok((file, mode))
}

fn create_folder(path: &Path) -> io::Result<u32> {
    fs::create_dir(path)?;
    let mode = path.metadata()?.permissions().mode() & 0o777;
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    Ok(mode)
}

/// Renames unless the new name is taken, in one step where the file system can.
fn rename_new(from: &Path, to: &Path, open: &Open) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS) => match open {
            Open::File(_) => fs::hard_link(from, to).and_then(|()| fs::remove_file(from)),
            Open::Folder(_) if exists(to) => Err(io::ErrorKind::AlreadyExists.into()),
            // A folder that appears just now is kept unless it is empty.
            Open::Folder(_) => fs::rename(from, to),
        },
        Err(error) => Err(error.into()),
    }
}

fn check_room(folder: &Path, needed_bytes: u64) -> Result<(), Error> {
    let Ok(room) = rustix::fs::statvfs(folder) else { return Ok(()) };
    // File systems that are none, such as /proc, count nothing.
    if room.f_blocks == 0 {
        return Ok(());
    }
    let free_bytes = room.f_bavail.saturating_mul(room.f_frsize);
    if needed_bytes <= free_bytes {
        return Ok(());
    }
    Err(Error::NoRoom { path: folder.to_owned(), needed_bytes, free_bytes })
}

fn parent_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn usize_of(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
