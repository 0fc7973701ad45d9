//! What there is to send: the files below the given paths, looked at once, before anything is sent.
//!
//! Sorted by name, so that the same folder gives the same transfer and an upload can go on. A path that was given is
//! followed if it is a link; a link inside of a folder is not, since it could lead anywhere.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use haulier_wire::limit::MAX_FILES;
use rustix::fs::OFlags;
use walkdir::WalkDir;

use crate::error::{Error, InputProblem};

/// Most entries of an archive: each is kept in memory, some 150 bytes.
pub(super) const MAX_ARCHIVE_ENTRIES: usize = 250_000;

/// Most bytes that the paths of all entries may take in memory.
const MAX_PATHS_BYTES: usize = 32 << 20;

/// What a person can choose about folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// One tar archive instead of many files.
    pub(super) tar: bool,
    /// Leave out what cannot be sent, instead of refusing.
    pub(super) leave_out: bool,
}

/// One path that was given.
#[derive(Debug)]
pub(super) struct Root {
    /// Absolute, without links.
    pub(super) canonical: PathBuf,
    /// Its last part, as it was given.
    pub(super) name: OsString,
    pub(super) is_folder: bool,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// Where it points to.
    Link(PathBuf),
}

/// By what a file is taken for the same and unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// Nanoseconds since 1970; negative before.
    pub(super) mtime_ns: i128,
    /// When anything about it last changed, also that time itself: nobody can set this one.
    pub(super) ctime_ns: i128,
    device: u64,
    inode: u64,
}

/// One file, and in archives also folders and links.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which of the roots it belongs to.
    pub(super) root: usize,
    /// Its path below the root; empty for the root itself.
    pub(super) below: PathBuf,
    pub(super) kind: Kind,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) stamp: Stamp,
}

/// Everything that was found.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) roots: Vec<Root>,
    pub(super) entries: Vec<Entry>,
    /// How much was left out, as asked.
    pub(super) left_out: usize,
    /// Folders without anything in them, which only an archive can hold.
    pub(super) empty_folders: usize,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            mtime_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            ctime_ns: i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Unix seconds of the last change.
    pub(super) fn mtime(&self) -> i64 {
        i64::try_from(self.mtime_ns.div_euclid(1_000_000_000)).unwrap_or_default()
    }
}

impl Scan {
    /// Where an entry is on disk.
    pub(super) fn disk_path(&self, entry: &Entry) -> PathBuf {
        let root = &self.roots[entry.root].canonical;
        if entry.below.as_os_str().is_empty() { root.clone() } else { root.join(&entry.below) }
    }
}

/// Looks at everything below `paths`. Blocks.
///
/// # Errors
/// [`Error::Input`] for the first thing that cannot be sent, with the number of others.
pub(super) fn scan(paths: &[PathBuf], choice: Choice) -> Result<Scan, Error> {
    let scan = Scan { roots: Vec::new(), entries: Vec::new(), left_out: 0, empty_folders: 0 };
    let mut scanner = Scanner { choice, scan, problems: Problems::default(), paths_bytes: 0 };
    for path in paths {
        scanner.add_root(path)?;
    }
    let Scanner { scan, problems, .. } = scanner;
    if let Some((path, what)) = problems.first {
        return Err(Error::Input { path, what, others: problems.count - 1 });
    }
    if scan.entries.iter().all(|entry| entry.kind != Kind::File) && !choice.tar {
        let path = paths.first().cloned().unwrap_or_default();
        return Err(Error::Input { path, what: InputProblem::Empty, others: 0 });
    }
    Ok(scan)
}

/// Opens a file for reading if it is the one that was looked at; through no link, and without waiting for a pipe's other end.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Whether a file without a size gives bytes all the same: those of /proc are made while they are read. One that was
/// written to in this moment has a size now.
fn holds_something(mut file: &File) -> bool {
    let read = file.read(&mut [0]);
    matches!(read, Ok(1..)) && file.metadata().is_ok_and(|now| now.len() == 0)
}

#[derive(Default)]
struct Problems {
    first: Option<(PathBuf, InputProblem)>,
    count: usize,
}

impl Problems {
    fn add(&mut self, path: &Path, what: InputProblem) {
        self.count += 1;
        self.first.get_or_insert_with(|| (path.to_owned(), what));
    }
}

struct Scanner {
    choice: Choice,
    scan: Scan,
    problems: Problems,
    paths_bytes: usize,
}

impl Scanner {
    fn add_root(&mut self, path: &Path) -> Result<(), Error> {
        let unreadable = |error| Error::unreadable(path, error);
        let canonical = path.canonicalize().map_err(unreadable)?;
        let metadata = canonical.metadata().map_err(unreadable)?;
        let name = path.file_name().or_else(|| canonical.file_name()).unwrap_or_default().to_owned();
        self.scan.roots.push(Root { canonical: canonical.clone(), name, is_folder: metadata.is_dir() });
        match metadata.file_type() {
            kind if kind.is_dir() => self.add_folder(&canonical),
            kind if kind.is_file() => {
                self.add_file(path, &canonical, PathBuf::new(), &metadata);
                Ok(())
            }
            _ => Err(Error::Input { path: path.to_owned(), what: InputProblem::NotAFile, others: 0 }),
        }
    }

    fn add_folder(&mut self, root: &Path) -> Result<(), Error> {
        let mut walk = WalkDir::new(root).sort_by_file_name().into_iter().peekable();
        while let Some(found) = walk.next() {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    self.problems.add(&path, InputProblem::unreadable(error.into()));
                    continue;
                }
            };
            let metadata = match found.metadata() {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.problems.add(found.path(), InputProblem::unreadable(error.into()));
                    continue;
                }
            };
            let below = found.path().strip_prefix(root).unwrap_or(found.path()).to_owned();
            if metadata.is_dir() {
                let next = walk.peek().and_then(|next| next.as_ref().ok());
                let is_empty = next.is_none_or(|next| next.depth() <= found.depth());
                self.add_subfolder(below, &metadata, is_empty);
            } else if metadata.is_file() {
                self.add_file(found.path(), found.path(), below, &metadata);
            } else {
                self.add_special(found.path(), below, &metadata);
            }
            self.check_count(root)?;
        }
        Ok(())
    }

    fn add_subfolder(&mut self, below: PathBuf, metadata: &Metadata, is_empty: bool) {
        if self.choice.tar {
            self.push(below, Kind::Folder, metadata);
        } else if is_empty {
            self.scan.empty_folders += 1;
        }
    }

    fn add_file(&mut self, shown: &Path, disk: &Path, below: PathBuf, metadata: &Metadata) {
        // Whether it can be read is known only by opening it; better now than after hours.
        match open(disk) {
            Ok(file) if metadata.len() == 0 && holds_something(&file) => {
                // Inside of a folder it can be left out like anything else that is no plain file.
                if self.choice.leave_out && !below.as_os_str().is_empty() {
                    self.scan.left_out += 1;
                } else {
                    self.problems.add(shown, InputProblem::Sizeless);
                }
            }
            Ok(_) => self.push(below, Kind::File, metadata),
            Err(error) => self.problems.add(shown, InputProblem::unreadable(error)),
        }
    }

    fn add_special(&mut self, path: &Path, below: PathBuf, metadata: &Metadata) {
        match std::fs::read_link(path) {
            Ok(target) if self.choice.tar => self.push(below, Kind::Link(target), metadata),
            _ if self.choice.leave_out => self.scan.left_out += 1,
            Ok(_) => self.problems.add(path, InputProblem::Link),
            Err(_) => self.problems.add(path, InputProblem::NotAFile),
        }
    }

    fn push(&mut self, below: PathBuf, kind: Kind, metadata: &Metadata) {
        let root = self.scan.roots.len() - 1;
        let mode = metadata.mode() & 0o7777;
        self.paths_bytes += below.as_os_str().len();
        self.scan.entries.push(Entry { root, below, kind, mode, stamp: Stamp::of(metadata) });
    }

    fn check_count(&self, root: &Path) -> Result<(), Error> {
        let count = self.scan.entries.len();
        let most = if self.choice.tar { MAX_ARCHIVE_ENTRIES } else { MAX_FILES };
        // Of very long paths, fewer fit.
        let max = if self.paths_bytes <= MAX_PATHS_BYTES { most } else { most.min(count - 1) };
        if count <= max {
            return Ok(());
        }
        let what = InputProblem::TooMany { max, tar: self.choice.tar };
        Err(Error::Input { path: root.to_owned(), what, others: 0 })
    }
}
