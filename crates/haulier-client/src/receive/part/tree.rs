//! A folder of files that is being received. Every path in it is opened from the folder itself, so that nobody who may
//! write beside it can lead a path elsewhere.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Timestamps, mkdirat, openat, statat, utimensat};
use rustix::io::Errno;

use super::super::chunk_log::{is_own, is_own_file};
use super::super::selection::Piece;
use super::BLOCK_BYTES;

/// Up to this many files are made durable one by one; more, with the whole file system at once.
const SYNCED_ALONE: usize = 64;

/// The folder, open.
#[derive(Debug)]
pub(super) struct Tree {
    root: File,
}

impl Tree {
    /// Makes the folder, for its owner alone.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self { root: open_root(path)? })
    }

    /// Opens a folder that an earlier run left, unless something is in it that belongs to no piece.
    pub(super) fn reopen(path: &Path, pieces: &[Piece]) -> io::Result<Self> {
        let tree = Self { root: open_root(path)? };
        if !is_own(&tree.root.metadata()?) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        tree.root.set_permissions(Permissions::from_mode(0o700))?;
        let expected = Expected {
            files: pieces.iter().map(|piece| piece.path.as_str()).collect(),
            folders: pieces.iter().flat_map(|piece| folders(&piece.path)).collect(),
        };
        tree.check(&tree.root, "", &expected)?;
        Ok(tree)
    }

    /// Walks below a folder: only the expected files and folders may be there, as such and this user's own.
    fn check(&self, folder: &File, below: &str, expected: &Expected<'_>) -> io::Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().map_err(|_| io::ErrorKind::InvalidData)?;
            if matches!(name, "." | "..") {
                continue;
            }
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let is_folder = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode).is_dir();
            if is_folder && expected.folders.contains(path.as_str()) {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                self.check(&openat(folder, name, flags, Mode::empty())?.into(), &path, expected)?;
            } else if is_folder
                || !expected.files.contains(path.as_str())
                || !is_own_file(&self.open(&path)?.metadata()?)
            {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// Makes what is missing of the folders and files, gives each file its size; returns the bytes that they occupy.
    pub(super) fn lay_out(&self, pieces: &[Piece]) -> io::Result<u64> {
        let all: BTreeSet<&str> = pieces.iter().flat_map(|piece| folders(&piece.path)).collect();
        // A folder sorts before what is in it.
        for folder in all {
            match mkdirat(&self.root, folder, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut occupied = 0;
        for piece in pieces {
            let file = self.open_with(&piece.path, OFlags::CREATE)?;
            let metadata = file.metadata()?;
            occupied += metadata.blocks() * BLOCK_BYTES;
            if metadata.len() != piece.size {
                file.set_len(piece.size)?;
            }
        }
        Ok(occupied)
    }

    /// Opens a file of the folder, through no link in its last step; the folders above are the owner's alone.
    pub(super) fn open(&self, path: &str) -> io::Result<File> {
        self.open_with(path, OFlags::empty())
    }

    fn open_with(&self, path: &str, more: OFlags) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        Ok(openat(&self.root, path, flags, mode)?.into())
    }

    pub(super) fn root(&self) -> &File {
        &self.root
    }

    pub(super) fn set_times(&self, path: &str, times: &Timestamps) -> rustix::io::Result<()> {
        utimensat(&self.root, path, times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Asks for what was written so far to reach the disk.
    pub(super) fn sync_some(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.root)?;
        Ok(())
    }

    /// Makes every file, and its name, durable.
    pub(super) fn sync_all(&self, pieces: &[Piece]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if pieces.len() > SYNCED_ALONE {
            return Ok(rustix::fs::syncfs(&self.root)?);
        }
        for piece in pieces {
            self.open(&piece.path)?.sync_all()?;
        }
        let all: BTreeSet<&str> = pieces.iter().flat_map(|piece| folders(&piece.path)).collect();
        for folder in all {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            File::from(openat(&self.root, folder, flags, Mode::empty())?).sync_all()?;
        }
        self.root.sync_all()
    }
}

struct Expected<'p> {
    files: BTreeSet<&'p str>,
    folders: BTreeSet<&'p str>,
}

/// The folders that a path lies in, the outermost first.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}

fn open_root(path: &Path) -> io::Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}
