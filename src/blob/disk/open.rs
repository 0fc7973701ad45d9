//! Opening a blob's file without a thread, when the kernel knows where it lies.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::blocking;
use crate::store::StoreError;

/// Opens a file; `None` when it is not there or shorter than `least_bytes`.
pub(super) async fn long_enough(path: PathBuf, least_bytes: u64) -> Result<Option<File>, StoreError> {
    let opened = match open_known(&path) {
        Some(known) => Ok(known),
        None => blocking(move || Ok(open_waiting(&path))).await?,
    };
    match opened {
        Ok((file, len)) => Ok((len >= least_bytes).then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file and asks for its length, however long that takes.
fn open_waiting(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

/// The same with what the kernel has in memory; `None` when that is not enough to say.
#[cfg(target_os = "linux")]
fn open_known(path: &Path) -> Option<(File, u64)> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // Whatever went wrong, the open that waits says so.
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    let known = statx(&file, "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::SIZE).ok()?;
    Some((file.into(), known.stx_size))
}

/// Other systems cannot say.
#[cfg(not(target_os = "linux"))]
fn open_known(_: &Path) -> Option<(File, u64)> {
    None
}

#[cfg(test)]
mod tests;
