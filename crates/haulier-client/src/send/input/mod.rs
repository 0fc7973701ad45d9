//! The bytes to send: files end to end, an archive of them, or a stream that was kept; read at positions, watched for
//! changes.

mod names;
mod scan;
mod spool;
mod tar;

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use haulier_wire::encoding::Base64Url;
use rustix::io::Errno;

use super::Source;
use crate::error::{Error, InputProblem};
use crate::resume::Fingerprint;
use scan::{Choice, Entry, Kind, Scan, Stamp};

pub(super) use names::Description;
pub use spool::Stream;
pub(super) use spool::spool;

/// Everything that one transfer holds, as one row of bytes.
#[derive(Debug)]
pub(super) struct Input {
    content: Content,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
enum Content {
    /// A file without a name, whose last reader is this process.
    Spooled(File),
    Scanned(Scanned),
}

#[derive(Debug)]
struct Scanned {
    scan: Scan,
    tar: bool,
    parts: Vec<Part>,
    /// The file that was read last: most often the next one too.
    last: Mutex<Option<(u32, Arc<File>)>>,
}

/// A stretch of the row of bytes that comes from one place. Never empty.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where the next one begins.
    end: u64,
    /// Entry that it is of.
    entry: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    File,
    Header,
    Zeros,
}

impl Input {
    /// Looks at everything that is to be sent. Blocks.
    ///
    /// # Errors
    /// [`Error::Input`] for what cannot be sent.
    pub(super) fn open(source: &Source) -> Result<Self, Error> {
        match source {
            Source::Paths { paths, tar, leave_out } => {
                let choice = Choice { tar: *tar, leave_out: *leave_out };
                Self::of_scan(scan::scan(paths, choice)?, *tar)
            }
            Source::Stream(_) => Err(Error::Internal("a stream has to be spooled first")),
        }
    }

    /// A stream that was kept: `file` has no name, so nobody else can change it.
    pub(super) fn of_spool(file: File, size: u64) -> Self {
        Self { content: Content::Spooled(file), fingerprint: Fingerprint { size, digest: String::new() } }
    }

    fn of_scan(scan: Scan, tar: bool) -> Result<Self, Error> {
        let parts = lay_out(&scan, tar)?;
        let size = parts.last().map_or(0, |part| part.end);
        let fingerprint = Fingerprint { size, digest: digest(&scan, tar) };
        let scanned = Scanned { scan, tar, parts, last: Mutex::default() };
        Ok(Self { content: Content::Scanned(scanned), fingerprint })
    }

    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.content, Content::Spooled(_))
    }

    /// How much was left out as asked, and how many empty folders there are.
    pub(super) fn left_behind(&self) -> (usize, usize) {
        match &self.content {
            Content::Spooled(_) => (0, 0),
            Content::Scanned(scanned) => (scanned.scan.left_out, scanned.scan.empty_folders),
        }
    }

    /// The absolute paths without links, as bytes; none for a stream.
    pub(super) fn canonical_paths(&self) -> Vec<Base64Url> {
        match &self.content {
            Content::Spooled(_) => Vec::new(),
            Content::Scanned(scanned) => {
                let roots = scanned.scan.roots.iter();
                roots.map(|root| Base64Url(root.canonical.as_os_str().as_bytes().to_vec())).collect()
            }
        }
    }

    /// What the paths were called when they were given: through a link, the same file has another name.
    pub(super) fn given_names(&self) -> Vec<Base64Url> {
        match &self.content {
            Content::Spooled(_) => Vec::new(),
            Content::Scanned(scanned) => {
                scanned.scan.roots.iter().map(|root| Base64Url(root.name.as_bytes().to_vec())).collect()
            }
        }
    }

    /// Fills `buffer` from `offset` on. Blocks.
    ///
    /// # Errors
    /// [`Error::Input`] when a file cannot be read, or is not what it was when it was looked at.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        match &self.content {
            Content::Spooled(file) => {
                file.read_exact_at(buffer, offset).map_err(|error| Error::read_failed("standard input", error))
            }
            Content::Scanned(scanned) => scanned.read_at(buffer, offset),
        }
    }

    /// Fails if a file is not what it was when it was looked at. Blocks.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let Content::Scanned(Scanned { scan, .. }) = &self.content else { return Ok(()) };
        for entry in scan.entries.iter().filter(|entry| entry.kind == Kind::File) {
            let path = scan.disk_path(entry);
            let now = path.symlink_metadata().map_err(|error| not_opened(path.clone(), error))?;
            if Stamp::of(&now) != entry.stamp {
                return Err(changed(path));
            }
        }
        Ok(())
    }
}

impl Scanned {
    fn read_at(&self, mut buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let mut position = offset;
        let mut index = self.parts.partition_point(|part| part.end <= offset);
        while !buffer.is_empty() {
            let part = self.parts.get(index).ok_or(Error::Internal("beyond the end of the input"))?;
            let start = if index == 0 { 0 } else { self.parts[index - 1].end };
            let wanted = usize::try_from(part.end - position).unwrap_or(usize::MAX).min(buffer.len());
            let (now, rest) = buffer.split_at_mut(wanted);
            self.read_part(part, now, position - start)?;
            position += now.len() as u64;
            buffer = rest;
            index += 1;
        }
        Ok(())
    }

    fn read_part(&self, part: &Part, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let entry = &self.scan.entries[part.entry as usize];
        match part.origin {
            Origin::Zeros => buffer.fill(0),
            Origin::Header => {
                let header = header(&self.scan, entry)?;
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                buffer.copy_from_slice(&header[from..from + buffer.len()]);
            }
            Origin::File => {
                let file = self.open(part.entry)?;
                file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
                    // Shorter than it was.
                    io::ErrorKind::UnexpectedEof => changed(self.scan.disk_path(entry)),
                    _ => Error::read_failed(self.scan.disk_path(entry), error),
                })?;
            }
        }
        Ok(())
    }

    /// Opens an entry's file, and makes sure that it is the one that was looked at, unchanged.
    fn open(&self, index: u32) -> Result<Arc<File>, Error> {
        let entry = &self.scan.entries[index as usize];
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let file = match last {
            Some((same, file)) if same == index => file,
            _ => {
                let path = self.scan.disk_path(entry);
                let file = scan::open(&path).map_err(|error| not_opened(path, error))?;
                let file = Arc::new(file);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, Arc::clone(&file)));
                file
            }
        };
        let now = file.metadata().map_err(|error| Error::read_failed(self.scan.disk_path(entry), error))?;
        if Stamp::of(&now) == entry.stamp { Ok(file) } else { Err(changed(self.scan.disk_path(entry))) }
    }
}

/// Puts everything in a row: the files alone, or each with its header and padded, and the archive's end.
fn lay_out(scan: &Scan, tar: bool) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    let mut end = 0_u64;
    let mut push = |entry: usize, origin, len: u64| -> Result<(), Error> {
        end = end.checked_add(len).ok_or(Error::Internal("the files are too large to be counted"))?;
        if len > 0 {
            let entry = u32::try_from(entry).map_err(|_| Error::Internal("too many files"))?;
            parts.push(Part { end, entry, origin });
        }
        Ok(())
    };
    for (index, entry) in scan.entries.iter().enumerate() {
        let size = if entry.kind == Kind::File { entry.stamp.size } else { 0 };
        if tar {
            push(index, Origin::Header, header(scan, entry)?.len() as u64)?;
        }
        push(index, Origin::File, size)?;
        if tar {
            push(index, Origin::Zeros, size.next_multiple_of(tar::BLOCK_BYTES) - size)?;
        }
    }
    if tar {
        push(scan.entries.len().saturating_sub(1), Origin::Zeros, tar::END_BYTES)?;
    }
    Ok(parts)
}

fn header(scan: &Scan, entry: &Entry) -> Result<Vec<u8>, Error> {
    tar::header(scan, entry).map_err(|error| Error::unreadable(scan.disk_path(entry), error))
}

/// Names every file with its size and the times of its last change: the same again means the same bytes.
fn digest(scan: &Scan, tar: bool) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(tar)]);
    for entry in &scan.entries {
        let below = entry.below.as_os_str().as_bytes();
        hasher.update(&(entry.root as u64).to_be_bytes()).update(&(below.len() as u64).to_be_bytes()).update(below);
        for number in [i128::from(entry.stamp.size), entry.stamp.mtime_ns, entry.stamp.ctime_ns] {
            hasher.update(&number.to_be_bytes());
        }
        if tar {
            hasher.update(&entry.mode.to_be_bytes());
            if let Kind::Link(target) = &entry.kind {
                let target = target.as_os_str().as_bytes();
                hasher.update(&(target.len() as u64).to_be_bytes()).update(target);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn changed(path: PathBuf) -> Error {
    Error::Input { path, what: InputProblem::Changed, others: 0 }
}

/// A file that is a link now is another one. One that is gone may come back: a disk that was unplugged, a share.
fn not_opened(path: PathBuf, error: io::Error) -> Error {
    let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    if is_link { changed(path) } else { Error::read_failed(path, error) }
}

#[cfg(test)]
mod tests;
