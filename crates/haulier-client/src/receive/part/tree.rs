//! A folder of files that is being received. Every path in it is opened from the folder itself, so that nobody who may
//! write beside it can lead a path elsewhere.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Timestamps, mkdirat, openat, statat, unlinkat, utimensat};
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
    /// The files that an earlier run made.
    found: BTreeSet<String>,
}

impl Tree {
    /// Makes the folder, for its owner alone.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self { root: open_root(path)?, found: BTreeSet::new() })
    }

    /// Opens a folder that an earlier run left, unless something is in it that belongs to no piece.
    pub(super) fn reopen(path: &Path, pieces: &[Piece]) -> io::Result<Self> {
        let mut tree = Self { root: open_root(path)?, found: BTreeSet::new() };
        if !is_own(&tree.root.metadata()?) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        tree.root.set_permissions(Permissions::from_mode(0o700))?;
        let expected = Expected::of(pieces.iter().map(|piece| piece.path.as_str()));
        let mut found = BTreeSet::new();
        tree.check(&tree.root, "", &expected, &mut found)?;
        tree.found = found;
        Ok(tree)
    }

    /// Walks below a folder: only the expected files and folders may be there, as such and this user's own.
    fn check(
        &self,
        folder: &File,
        below: &str,
        expected: &Expected<'_>,
        found: &mut BTreeSet<String>,
    ) -> io::Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().map_err(|_| io::ErrorKind::InvalidData)?;
            if matches!(name, "." | "..") {
                continue;
            }
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let is_folder = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode).is_dir();
            if is_folder && expected.folders.contains(path.as_str()) {
                self.check(&open_folder(folder, name)?, &path, expected, found)?;
            } else if is_folder
                || !expected.files.contains(path.as_str())
                || !is_own_file(&self.open(&path)?.metadata()?)
            {
                return Err(io::ErrorKind::InvalidData.into());
            } else {
                found.insert(path);
            }
        }
        Ok(())
    }

    /// Makes what is missing of the folders and files, gives each file its size; returns the bytes that they occupy.
    ///
    /// A file that is missing must be new. Where it is not, the file system takes its name for that of another file of the
    /// transfer, in a way that the transfer's own rules do not foresee, and the two would become one.
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
            let known = self.found.contains(&piece.path);
            let how = if known { OFlags::empty() } else { OFlags::CREATE | OFlags::EXCL };
            let file = self.open_with(&piece.path, how).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => names_meet(&piece.path),
                _ => error,
            })?;
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
            open_folder(&self.root, folder)?.sync_all()?;
        }
        self.root.sync_all()
    }
}

/// Removes what was made of a part: these files, and the folders that are empty then. What else is in it stays, and so
/// does the folder then; returns whether it does.
pub(super) fn remove_made<'p>(path: &Path, paths: impl Iterator<Item = &'p str>) -> io::Result<bool> {
    let root = open_root(path)?;
    if !is_own(&root.metadata()?) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let stays = remove_below(&root, "", &Expected::of(paths))?;
    if !stays {
        std::fs::remove_dir(path)?;
    }
    Ok(stays)
}

/// Returns whether anything stays.
fn remove_below(folder: &File, below: &str, expected: &Expected<'_>) -> io::Result<bool> {
    let mut stays = false;
    for name in names_in(folder)? {
        let is_folder = FileType::from_raw_mode(statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode).is_dir();
        let path = name.to_str().map(|name| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") });
        match path {
            Ok(path) if is_folder && expected.folders.contains(path.as_str()) => {
                if remove_below(&open_folder(folder, &name)?, &path, expected)? {
                    stays = true;
                } else {
                    unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
                }
            }
            Ok(path) if !is_folder && expected.files.contains(path.as_str()) => {
                unlinkat(folder, &name, AtFlags::empty())?;
            }
            _ => stays = true,
        }
    }
    Ok(stays)
}

/// All names in a folder, read before anything in it changes.
fn names_in(folder: &File) -> io::Result<Vec<CString>> {
    let is_real = |name: &CStr| name != c"." && name != c"..";
    let names = Dir::read_from(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    Ok(names.filter(|name| name.as_ref().map_or(true, |name| is_real(name))).collect::<Result<_, _>>()?)
}

struct Expected<'p> {
    files: BTreeSet<&'p str>,
    folders: BTreeSet<&'p str>,
}

impl<'p> Expected<'p> {
    fn of(paths: impl Iterator<Item = &'p str>) -> Self {
        let files: BTreeSet<&str> = paths.collect();
        let folders = files.iter().flat_map(|path| folders(path)).collect();
        Self { files, folders }
    }
}

fn names_meet(path: &str) -> io::Error {
    let what = format!("the disk takes {path:?} for the name of another file of the transfer");
    io::Error::new(io::ErrorKind::AlreadyExists, what)
}

/// Opens a folder below another, through no link in its last step.
fn open_folder(folder: &File, name: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?.into())
}

/// The folders that a path lies in, the outermost first.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}

fn open_root(path: &Path) -> io::Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}
