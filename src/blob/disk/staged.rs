//! A file on its way in: bytes are written while the next ones arrive, then synced, then handed to the publisher.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{Publisher, Rename, blocking, remove_file};
use crate::blob::{Expected, StagedBlob};
use crate::store::StoreError;

/// Bytes that gather before they are written in one call.
const WRITE_BYTES: usize = 256 << 10;
/// Pieces that gather before they are written in one call: a client of single bytes must not cost memory.
const WRITE_PIECES: usize = 64;

pub(super) struct StagedFile {
    path: PathBuf,
    target: PathBuf,
    publisher: Arc<Publisher>,
    expected: Expected,
    received: u64,
    /// `None` while a write is under way, and after it failed.
    file: Option<File>,
    writing: Option<JoinHandle<(File, io::Result<()>)>>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    published: bool,
}

impl StagedFile {
    pub(super) async fn create(
        path: PathBuf,
        target: PathBuf,
        expected: Expected,
        publisher: Arc<Publisher>,
    ) -> Result<Self, StoreError> {
        let created = path.clone();
        let created = blocking(move || Ok(Created { file: Some(File::create_new(&created)?), path: created })).await;
        let file = created?.file.take();
        Ok(Self {
            path,
            target,
            publisher,
            expected,
            received: 0,
            file,
            writing: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            published: false,
        })
    }

    /// Waits for the write under way, then starts the next one without waiting for it.
    async fn flush(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut file = self.take_file()?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let result = write_all(&mut file, &pieces);
            (file, result)
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if let Some(writing) = &mut self.writing {
            let joined = writing.await;
            self.writing = None;
            let (file, result) = joined.map_err(StoreError::unavailable)?;
            result?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn take_file(&mut self) -> Result<File, StoreError> {
        self.file.take().ok_or_else(|| StoreError::internal(anyhow::anyhow!("written to after a failed write")))
    }
}

/// A file that was just made. Whoever asked may have gone meanwhile: then it goes, too.
struct Created {
    path: PathBuf,
    file: Option<File>,
}

impl Drop for Created {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = remove_file(&self.path);
        }
    }
}

#[async_trait]
impl StagedBlob for StagedFile {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.received += bytes.len() as u64;
        self.expected.check_some(self.received)?;
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= WRITE_BYTES || self.gathered.len() >= WRITE_PIECES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.expected.check_all(self.received)?;
        self.settle().await?;
        let mut file = self.take_file()?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        // In one go, and the descriptor goes with it: a rename takes names.
        blocking(move || {
            write_all(&mut file, &pieces)?;
            Ok(file.sync_data()?)
        })
        .await
    }

    async fn publish(mut self: Box<Self>) -> Result<(), StoreError> {
        let rename = Rename { staged: self.path.clone(), target: self.target.clone() };
        let publisher = Arc::clone(&self.publisher);
        let result = publisher.submit(rename).await.map_err(StoreError::unavailable)?;
        self.published = result.is_ok();
        result
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let path = std::mem::take(&mut self.path);
        let remove = move || drop(remove_file(&path));
        // A write under way ends first or writes into a file without a name: both leave nothing.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes the files whose names begin with `prefix` and that were not written to since `before`; returns how many.
pub(super) fn remove_older(staging: &Path, prefix: &str, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(staging)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        match entry.metadata().and_then(|metadata| metadata.modified()) {
            Ok(modified) if modified < before => {
                remove_file(&entry.path())?;
                removed += 1;
            }
            // Published meanwhile.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(removed)
}

fn write_all(file: &mut File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
