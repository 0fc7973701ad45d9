//! A random key of this machine's user: what was noted under it was noted here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{private_folders, write_durably};

const NAME: &str = "machine-key";
const KEY_BYTES: usize = 32;
/// Nobody but its owner may have read or written it.
const OTHERS: u32 = 0o077;

/// Reads the key in the state folder `root`; the first call makes it from `fresh`. Blocks.
///
/// # Errors
/// The folder cannot be written, or what stands there is not the owner's own.
pub(crate) fn machine_key(root: &Path, fresh: &[u8; KEY_BYTES]) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let path = root.join(NAME);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    private_folders(root)?;
    write_durably(&path, fresh)?;
    // Another process may have made one at the same time: the file decides.
    read(&path)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn read(path: &Path) -> io::Result<Option<Zeroizing<[u8; KEY_BYTES]>>> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & OTHERS == 0;
    if !is_own || metadata.len() != KEY_BYTES as u64 {
        drop(file);
        fs::remove_file(path)?;
        return Ok(None);
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key)?;
    Ok(Some(key))
}
