//! The file to send: opened once, read at positions, watched for changes.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use haulier_wire::encoding::Base64Url;

use crate::error::{Error, InputProblem};
use crate::resume::Fingerprint;

/// An open regular file, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Input {
    path: PathBuf,
    canonical: PathBuf,
    file: File,
    fingerprint: Fingerprint,
}

impl Input {
    /// Opens a regular file. Blocks.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |error| Error::unreadable(path, error);
        let kind = path.metadata().map_err(unreadable)?.file_type();
        // Before it is opened: opening a pipe would wait for its other end.
        let problem = |what| Err(Error::Input { path: path.to_owned(), what });
        match kind {
            _ if kind.is_dir() => return problem(InputProblem::Folder),
            _ if !kind.is_file() => return problem(InputProblem::NotAFile),
            _ => {}
        }
        let file = File::open(path).map_err(unreadable)?;
        let fingerprint = Fingerprint::of(&file.metadata().map_err(unreadable)?);
        let canonical = path.canonicalize().map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), canonical, file, fingerprint })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path without links, as bytes.
    pub(super) fn canonical_bytes(&self) -> Base64Url {
        Base64Url(self.canonical.as_os_str().as_bytes().to_vec())
    }

    /// The last part of the path; what is not UTF-8 in it is replaced.
    pub(super) fn file_name(&self) -> String {
        let name = self.path.file_name().or_else(|| self.canonical.file_name());
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Unix seconds of the last change.
    pub(super) fn mtime(&self) -> i64 {
        self.fingerprint.mtime_ns.div_euclid(1_000_000_000)
    }

    /// Fills `buffer` from `offset` on. Blocks. A file that has become shorter is a changed one.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => Error::unreadable(&self.path, error),
        })
    }

    /// Fails if the file has another size or time than when it was opened. Blocks.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let now = self.file.metadata().map_err(|error| Error::unreadable(&self.path, error))?;
        if Fingerprint::of(&now) == self.fingerprint { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::Input { path: self.path.clone(), what: InputProblem::Changed }
    }
}
