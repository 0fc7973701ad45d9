//! Blobs as local files: staged, synced, then renamed to where readers look.
//!
//! Folders below the root: `transfers/` as in [`BlobKey`], `staging/` for what has no name yet, and the file `lock`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use haulier_wire::encoding::to_hex;
use haulier_wire::{Timestamp, TransferId};

use super::{BlobKey, BlobStore, Content, Expected, FilePart, Listed, StagedBlob};
use crate::batch::Batcher;
use crate::entropy::Entropy;
use crate::lock::DirectoryLock;
use crate::store::{BufferUse, StoreError};

mod listing;
mod open;
mod staged;

use staged::StagedFile;

/// Most renames that share one round of directory syncs.
const MAX_PUBLISH_BATCH: usize = 256;
/// How often a folder is removed again that fills while it is being emptied.
const MAX_REMOVE_TRIES: usize = 100;
/// How many folders are remembered as durable before the memory starts anew.
const MAX_KNOWN_FOLDERS: usize = 10_000;

/// What the names of files begin with that were staged beside a server.
const BESIDE: &str = "beside-";

/// The local disk below one folder, which one server at a time uses.
#[derive(Debug)]
pub struct DiskStore {
    root: PathBuf,
    /// What the names of staged files begin with.
    staged_prefix: String,
    next_staged: AtomicU64,
    publisher: Arc<Publisher>,
    /// `None` beside a server, which holds it.
    _lock: Option<DirectoryLock>,
}

/// Renames staged files to their names, many at a time.
type Publisher = Batcher<Rename, Result<(), StoreError>>;

#[derive(Debug)]
struct Rename {
    staged: PathBuf,
    target: PathBuf,
}

impl DiskStore {
    /// Opens the folder, makes it if need be, locks it, and empties its staging.
    ///
    /// # Errors
    /// When the folder cannot be made or written, or another process uses it.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        create_folder(root).with_context(|| format!("cannot make {}", root.display()))?;
        let lock = DirectoryLock::acquire(root)?;
        let staging = root.join("staging");
        // What a killed process left behind was never acknowledged.
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty {}", staging.display()));
            }
            _ => {}
        }
        for folder in [&staging, &root.join("transfers")] {
            create_folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        sync_folder(root).with_context(|| format!("cannot sync {}", root.display()))?;
        Ok(Self::new(root, String::new(), Some(lock)))
    }

    /// Opens a folder that is there, beside a server that may use it: neither locks nor empties anything.
    ///
    /// # Errors
    /// When there is no such folder of a server.
    pub fn open_beside(root: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        for folder in ["transfers", "staging"] {
            let path = root.join(folder);
            fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        // The server counts its staged files from 0, and in containers every command has the same process id: the names
        // must not meet, nor those of a command that was killed.
        Ok(Self::new(root, format!("{BESIDE}{}-", to_hex(&entropy.bytes())), None))
    }

    fn new(root: &Path, staged_prefix: String, lock: Option<DirectoryLock>) -> Self {
        Self {
            root: root.to_owned(),
            staged_prefix,
            next_staged: AtomicU64::new(0),
            publisher: Arc::new(spawn_publisher(root.to_owned())),
            _lock: lock,
        }
    }

    fn path(&self, key: BlobKey) -> PathBuf {
        self.root.join(key.to_string())
    }

    fn transfer_folder(&self, id: TransferId) -> PathBuf {
        self.root.join("transfers").join(id.as_str())
    }

    async fn create_staged(&self, target: PathBuf, expected: Expected) -> Result<StagedFile, StoreError> {
        let number = self.next_staged.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("staging").join(format!("{}{number}", self.staged_prefix));
        StagedFile::create(path, target, expected, Arc::clone(&self.publisher)).await
    }
}

#[async_trait]
impl BlobStore for DiskStore {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        Ok(Box::new(self.create_staged(self.path(key), expected).await?))
    }

    fn most_unannounced(&self) -> u64 {
        u64::MAX
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        let mut staged = Box::new(self.create_staged(self.path(key), Expected::Exactly(bytes.len() as u64)).await?);
        staged.write(bytes).await?;
        staged.finish().await?;
        staged.publish().await
    }

    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        let path = self.path(key);
        blocking(move || match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        let opened = open::long_enough(self.path(key), range.end).await?;
        Ok(opened.map(|file| Content::File(FilePart { file, range })))
    }

    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        let path = self.path(key);
        blocking(move || {
            remove_file(&path)?;
            match path.parent().map_or(Ok(()), sync_folder) {
                // A folder that is gone has kept no name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => Ok(result?),
            }
        })
        .await
    }

    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        let folder = self.transfer_folder(id);
        let meta = self.path(BlobKey::Meta(id));
        blocking(move || {
            remove_file(&meta)?;
            remove_folder(&folder)?;
            Ok(())
        })
        .await
    }

    /// What servers stage goes when one starts; here goes what commands beside them left.
    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        let staging = self.root.join("staging");
        blocking(move || Ok(staged::remove_older(&staging, BESIDE, before.into())?)).await
    }

    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        listing::transfers(self.root.join("transfers"))
    }

    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        listing::blobs_of(self.transfer_folder(id))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let staging = self.root.join("staging");
        // A full disk is not a store that is away: reads go on, and writes say 507 by themselves.
        blocking(move || Ok(fs::metadata(staging).map(drop)?)).await
    }

    fn buffer(&self) -> BufferUse {
        BufferUse::default()
    }
}

/// Runs file work on the blocking pool, so that no async thread waits for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)?
}

fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a folder and all in it, also when a late writer puts one more file there meanwhile.
fn remove_folder(path: &Path) -> io::Result<()> {
    for _ in 0..MAX_REMOVE_TRIES {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            result => return result,
        }
    }
    Err(io::ErrorKind::DirectoryNotEmpty.into())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn spawn_publisher(root: PathBuf) -> Publisher {
    let folders = Arc::new(std::sync::Mutex::new(Folders { root, known: HashSet::new() }));
    Batcher::spawn(MAX_PUBLISH_BATCH, move |batch: Vec<Rename>| {
        let folders = Arc::clone(&folders);
        async move {
            let count = batch.len();
            let work = tokio::task::spawn_blocking(move || {
                let mut folders = folders.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                publish_batch(&mut folders, &batch)
            });
            work.await.unwrap_or_else(|error| vec![Err(StoreError::unavailable(error)); count])
        }
    })
}

/// Renames every file of the batch, then syncs each folder once.
fn publish_batch(folders: &mut Folders, batch: &[Rename]) -> Vec<Result<(), StoreError>> {
    let mut results: Vec<Result<(), StoreError>> = batch.iter().map(|rename| folders.rename(rename)).collect();
    let touched: HashSet<&Path> = batch.iter().filter_map(|rename| rename.target.parent()).collect();
    for folder in touched {
        let Err(error) = sync_folder(folder) else { continue };
        let error = StoreError::from(error);
        for (result, _) in results.iter_mut().zip(batch).filter(|(_, rename)| rename.target.parent() == Some(folder)) {
            *result = Err(error.clone());
        }
    }
    results
}

/// Remembers which folders are durable, names and all, since this process began.
///
/// A folder that an earlier process made may never have been synced into its parent: each is synced once again.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
    known: HashSet<PathBuf>,
}

impl Folders {
    fn rename(&mut self, rename: &Rename) -> Result<(), StoreError> {
        let folder = rename.target.parent().unwrap_or(&self.root).to_owned();
        if self.known.contains(&folder) {
            match fs::rename(&rename.staged, &rename.target) {
                // Someone removed the folder meanwhile: a deletion that a late writer raced.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return Ok(result?),
            }
        }
        self.make_durable(&folder)?;
        Ok(fs::rename(&rename.staged, &rename.target)?)
    }

    fn make_durable(&mut self, folder: &Path) -> io::Result<()> {
        create_folder(folder)?;
        let ancestors = folder.ancestors().skip(1).take_while(|ancestor| ancestor.starts_with(&self.root));
        for ancestor in ancestors {
            sync_folder(ancestor)?;
        }
        if self.known.len() >= MAX_KNOWN_FOLDERS {
            self.known.clear();
        }
        self.known.insert(folder.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
