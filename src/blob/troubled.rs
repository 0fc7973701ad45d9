//! A disk whose removals, or what is put there, are in trouble (tests).

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use haulier_wire::{Timestamp, TransferId};
use tokio::sync::Semaphore;

use super::disk::DiskStore;
use super::{BlobKey, BlobStore, Content, Expected, Listed, StagedBlob};
use crate::store::{BufferUse, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// For removals the store is away.
    RemovalsFail,
    /// The same for one transfer alone, the first that is to be removed.
    OneRemovalFails,
    /// A meta.json arrives behind each removal.
    MetaComesLate,
    /// Removals never end.
    RemovalsWait,
    /// Small blobs wait until [`TroubledDisk::heal`].
    PutsWait,
}

/// Everything else is the disk's.
#[derive(Debug)]
pub(crate) struct TroubledDisk {
    disk: DiskStore,
    trouble: Trouble,
    removals: AtomicU64,
    puts: AtomicU64,
    gate: Semaphore,
    failing: OnceLock<TransferId>,
}

impl TroubledDisk {
    pub(crate) fn new(disk: DiskStore, trouble: Trouble) -> Self {
        let (removals, puts) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { disk, trouble, removals, puts, gate: Semaphore::new(0), failing: OnceLock::new() }
    }

    /// Lets everything go on that waits.
    pub(crate) fn heal(&self) {
        self.gate.add_permits(1_000_000);
    }

    /// How many small blobs have begun.
    pub(crate) fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    /// How many were asked for.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl BlobStore for TroubledDisk {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        self.disk.stage(key, expected).await
    }

    fn most_unannounced(&self) -> u64 {
        self.disk.most_unannounced()
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        if self.trouble == Trouble::PutsWait {
            self.gate.acquire().await.map_err(StoreError::internal)?.forget();
        }
        self.disk.put(key, bytes).await
    }

    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        self.disk.len(key).await
    }

    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        self.disk.read(key, range).await
    }

    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        self.disk.remove(key).await
    }

    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        match self.trouble {
            Trouble::RemovalsFail => Err(StoreError::unavailable(anyhow!("away"))),
            Trouble::OneRemovalFails if *self.failing.get_or_init(|| id) == id => {
                Err(StoreError::unavailable(anyhow!("away")))
            }
            Trouble::MetaComesLate => {
                self.disk.remove_transfer(id).await?;
                self.disk.put(BlobKey::Meta(id), Bytes::from_static(b"late")).await
            }
            Trouble::RemovalsWait => std::future::pending().await,
            Trouble::PutsWait | Trouble::OneRemovalFails => self.disk.remove_transfer(id).await,
        }
    }

    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.disk.remove_abandoned(before).await
    }

    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        self.disk.transfers()
    }

    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        self.disk.blobs_of(id)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.disk.probe().await
    }

    fn buffer(&self) -> BufferUse {
        self.disk.buffer()
    }
}
