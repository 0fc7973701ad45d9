//! An archive that is never written: the bytes of a tar file, made where they are read.
//!
//! Every header can be made again from what was scanned, so an upload goes on without a copy of anything. Owner and
//! group stay behind: they mean nothing on another machine and would name the sender's.

use std::io;
use std::path::PathBuf;

use ::tar::{Builder, EntryType, Header};

use super::scan::{Entry, Kind, Scan};

/// Bytes of a tar block; everything is padded to it.
pub(super) const BLOCK_BYTES: u64 = 512;
/// Zeros at the end.
pub(super) const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// Makes the header blocks of an entry: one, or more when a name is long.
///
/// # Errors
/// Names that no header can hold.
pub(super) fn header(scan: &Scan, entry: &Entry) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_mtime(u64::try_from(entry.stamp.mtime()).unwrap_or_default());
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let mut path = PathBuf::from(&scan.roots[entry.root].name);
    // Joining nothing would put a slash behind a file, and make it a folder.
    if !entry.below.as_os_str().is_empty() {
        path.push(&entry.below);
    }
    let mut archive = Builder::new(Vec::new());
    match &entry.kind {
        Kind::File => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(entry.stamp.size);
            // The builder writes header and data together; the data is read from its file when its bytes are due.
            archive.append_data(&mut header, path, io::empty())?;
        }
        Kind::Folder => {
            header.set_entry_type(EntryType::Directory);
            archive.append_data(&mut header, path, io::empty())?;
        }
        Kind::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            archive.append_link(&mut header, path, target)?;
        }
    }
    // Not `into_inner`, which would write the archive's end.
    Ok(archive.get_ref().clone())
}
