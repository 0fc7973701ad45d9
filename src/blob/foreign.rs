//! A store of another system, to be read and never written: names as they are there.

use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};

use super::{ByteStream, FilePart};
use crate::store::StoreError;

/// One object, or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignObject {
    /// Its name, with slashes, as the store has it.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// What a list has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An object.
    Object(ForeignObject),
    /// A folder, or something in one, that could not be looked at: nobody knows what is missing.
    Unreadable {
        /// Its name.
        name: String,
        /// What the system says.
        why: String,
    },
}

/// Reads a store of another system.
///
/// [`StoreError::Unavailable`] says that the store is away altogether. Any other error of `len` or `read` is about the
/// one object.
#[async_trait]
pub trait ForeignStore: fmt::Debug + Send + Sync {
    /// Lists everything, in any order.
    fn objects(&self) -> BoxStream<'static, Result<Found, StoreError>>;

    /// The length of an object; `None` when it is not there.
    async fn len(&self, name: &str) -> Result<Option<u64>, StoreError>;

    /// Reads a range of an object; `None` when it is not there or shorter.
    async fn read(&self, name: &str, range: Range<u64>) -> Result<Option<ByteStream>, StoreError>;
}

/// A folder of this machine. Symbolic links are not followed.
#[derive(Debug)]
pub struct ForeignFolder {
    root: PathBuf,
}

impl ForeignFolder {
    /// Takes a folder that can be read.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root).with_context(|| format!("cannot find {}", root.display()))?;
        fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))?;
        Ok(Self { root })
    }
}

#[async_trait]
impl ForeignStore for ForeignFolder {
    fn objects(&self) -> BoxStream<'static, Result<Found, StoreError>> {
        // Folders that are still to be read, and what the last one held.
        let state = (vec![self.root.clone()], Vec::new());
        stream::try_unfold(state, |(mut folders, mut found)| async move {
            loop {
                if let Some(one) = found.pop() {
                    return Ok(Some((one, (folders, found))));
                }
                let Some(folder) = folders.pop() else { return Ok(None) };
                let read = tokio::task::spawn_blocking(move || entries(&folder)).await;
                let deeper;
                (deeper, found) = read.map_err(StoreError::unavailable)?;
                folders.extend(deeper);
            }
        })
        .boxed()
    }

    async fn len(&self, name: &str) -> Result<Option<u64>, StoreError> {
        match tokio::fs::symlink_metadata(name).await {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::internal(error)),
        }
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Option<ByteStream>, StoreError> {
        if self.len(name).await?.is_none_or(|len| len < range.end) {
            return Ok(None);
        }
        let name = name.to_owned();
        let opened = tokio::task::spawn_blocking(move || fs::File::open(name)).await;
        let file = opened.map_err(StoreError::unavailable)?.map_err(StoreError::internal)?;
        Ok(Some(FilePart { file, range }.into_stream()))
    }
}

/// The folders in a folder, and what else there is. One that is gone meanwhile has nothing.
fn entries(folder: &Path) -> (Vec<PathBuf>, Vec<Found>) {
    let (mut folders, mut found) = (Vec::new(), Vec::new());
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) => return (folders, unreadable(folder, &error).into_iter().collect()),
    };
    for entry in listed {
        match entry {
            Ok(entry) => match look(&entry) {
                Ok(Look::Folder(path)) => folders.push(path),
                Ok(Look::File(object)) => found.push(Found::Object(object)),
                Ok(Look::Other) => {}
                Err(error) => found.extend(unreadable(&entry.path(), &error)),
            },
            Err(error) => found.extend(unreadable(folder, &error)),
        }
    }
    (folders, found)
}

enum Look {
    Folder(PathBuf),
    File(ForeignObject),
    /// Links, pipes and the like, and files whose names are not UTF-8: none of what is looked for.
    Other,
}

fn look(entry: &DirEntry) -> io::Result<Look> {
    let (path, kind) = (entry.path(), entry.file_type()?);
    if kind.is_dir() {
        return Ok(Look::Folder(path));
    }
    match path.to_str() {
        Some(name) if kind.is_file() => {
            Ok(Look::File(ForeignObject { name: name.to_owned(), len: entry.metadata()?.len() }))
        }
        _ => Ok(Look::Other),
    }
}

/// Nothing when it is gone since it was listed.
fn unreadable(path: &Path, error: &io::Error) -> Option<Found> {
    let is_gone = error.kind() == io::ErrorKind::NotFound;
    (!is_gone).then(|| Found::Unreadable { name: path.to_string_lossy().into_owned(), why: error.to_string() })
}
