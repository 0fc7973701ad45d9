//! A disk whose removals are in trouble (tests).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use haulier_wire::{Timestamp, TransferId};

use super::disk::DiskStore;
use super::{BlobKey, BlobStore, Content, Expected, Listed, StagedBlob};
use crate::store::{BufferUse, StoreError};

/// What becomes of a removal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removal {
    /// The store is away.
    IsRefused,
    /// It never ends.
    Waits,
}

/// Everything else is the disk's.
#[derive(Debug)]
pub(crate) struct TroubledDisk {
    disk: DiskStore,
    removal: Removal,
    removals: AtomicU64,
}

impl TroubledDisk {
    pub(crate) fn new(disk: DiskStore, removal: Removal) -> Self {
        Self { disk, removal, removals: AtomicU64::new(0) }
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

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
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

    async fn remove_transfer(&self, _: TransferId) -> Result<(), StoreError> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        match self.removal {
            Removal::IsRefused => Err(StoreError::unavailable(anyhow!("away"))),
            Removal::Waits => std::future::pending().await,
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
