//! A store of another system, to be read and never written: names as they are there.

use std::fmt;
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

/// Reads a store of another system.
#[async_trait]
pub trait ForeignStore: fmt::Debug + Send + Sync {
    /// Lists everything, in any order.
    fn objects(&self) -> BoxStream<'static, Result<ForeignObject, StoreError>>;

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
        let root = std::fs::canonicalize(root).with_context(|| format!("cannot find {}", root.display()))?;
        std::fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))?;
        Ok(Self { root })
    }
}

#[async_trait]
impl ForeignStore for ForeignFolder {
    fn objects(&self) -> BoxStream<'static, Result<ForeignObject, StoreError>> {
        // Folders that are still to be read, and what the last one held.
        let state = (vec![self.root.clone()], Vec::new());
        stream::try_unfold(state, |(mut folders, mut found)| async move {
            loop {
                if let Some(object) = found.pop() {
                    return Ok(Some((object, (folders, found))));
                }
                let Some(folder) = folders.pop() else { return Ok(None) };
                let read = tokio::task::spawn_blocking(move || entries(&folder)).await;
                let (deeper, files) = read.map_err(StoreError::unavailable)??;
                folders.extend(deeper);
                found = files;
            }
        })
        .boxed()
    }

    async fn len(&self, name: &str) -> Result<Option<u64>, StoreError> {
        match tokio::fs::symlink_metadata(name).await {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Option<ByteStream>, StoreError> {
        if self.len(name).await?.is_none_or(|len| len < range.end) {
            return Ok(None);
        }
        let name = name.to_owned();
        let opened = tokio::task::spawn_blocking(move || std::fs::File::open(name)).await;
        let file = opened.map_err(StoreError::unavailable)??;
        Ok(Some(FilePart { file, range }.into_stream()))
    }
}

/// The folders and the files in a folder. A name that is not UTF-8 is none of what is looked for.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<ForeignObject>), StoreError> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_file()
            && let Some(name) = path.to_str()
        {
            files.push(ForeignObject { name: name.to_owned(), len: entry.metadata()?.len() });
        }
    }
    Ok((folders, files))
}
