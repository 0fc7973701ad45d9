//! Exclusive locks: two processes that wrote to one data folder, or to one SQLite file, would ruin each other's work.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks `directory`, which must exist.
    ///
    /// # Errors
    /// When another process holds the lock, or the lock file cannot be made.
    pub fn acquire(directory: &Path) -> anyhow::Result<Self> {
        let used = format!("{}; stop it, or give this one a directory of its own", directory.display());
        Ok(Self { _file: lock(&directory.join("lock"), &used)? })
    }
}

/// As [`DirectoryLock`], for one file: a file `NAME.lock` beside it, wherever the path leads.
///
/// Not the file itself: SQLite has locks of its own there, which a process loses when it closes any handle to it.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks `path`, whose folder must exist.
    ///
    /// # Errors
    /// When another process holds the lock, or the lock file cannot be made.
    pub fn acquire(path: &Path) -> anyhow::Result<Self> {
        let used = format!("{}; stop it, or give this one a file of its own", path.display());
        Ok(Self { _file: lock(&beside(path), &used)? })
    }
}

/// The same for all links to one file.
fn beside(path: &Path) -> PathBuf {
    let mut name = fs::canonicalize(path).map_or_else(|_| OsString::from(path), OsString::from);
    name.push(".lock");
    name.into()
}

fn lock(path: &Path, used: &str) -> anyhow::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another process uses {used}"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}
