//! Rebuild: the rows of completed transfers from their meta.json, chunks and payloads alone, for when the database is lost.
//!
//! Safe to stop anywhere and to run again, and safe beside running servers: a row is inserted whole, and only where
//! none is. What has no meta.json was never completed, or was deleted: it stays lost.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use haulier_wire::{ChunkIndex, ChunkLayout, TransferId};

use super::Transfers;
use super::state::{self, Liveness};
use crate::blob::BlobKey;
use crate::metadata::{Digest, Payload, Restored, Shape};
use crate::store::StoreError;

/// Transfers that are looked at at the same time; each keeps 32 bytes for each of its chunks.
const TRANSFERS_AT_ONCE: usize = 8;
/// Chunks of one transfer that are read at the same time.
const CHUNKS_AT_ONCE: usize = 4;

/// How far it has come; can be read at any time.
#[derive(Debug, Default)]
pub struct Progress {
    folders: AtomicU64,
    restored: AtomicU64,
    expired: AtomicU64,
    known: AtomicU64,
    unfinished: AtomicU64,
    foreign: AtomicU64,
    failed: AtomicU64,
    read_bytes: AtomicU64,
}

/// What [`Progress`] holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// Folders that were looked at.
    pub folders: u64,
    /// Transfers that are there again.
    pub restored: u64,
    /// Of these, how many have expired or are exhausted: the sweep removes their bytes, and the id stays taken.
    pub expired: u64,
    /// Transfers that the database knows.
    pub known: u64,
    /// Folders without meta.json: uploads that were not finished, or deletions that were not.
    pub unfinished: u64,
    /// Folders that are none of ours.
    pub foreign: u64,
    /// Transfers that could not be restored.
    pub failed: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
}

/// A transfer that has a meta.json and cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unrestored {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Why not.
    pub reason: String,
}

impl Progress {
    /// How far it has come.
    #[must_use]
    pub fn rebuilt(&self) -> Rebuilt {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Rebuilt {
            folders: read(&self.folders),
            restored: read(&self.restored),
            expired: read(&self.expired),
            known: read(&self.known),
            unfinished: read(&self.unfinished),
            foreign: read(&self.foreign),
            failed: read(&self.failed),
            read_bytes: read(&self.read_bytes),
        }
    }
}

/// What came of one folder.
enum Outcome {
    Restored,
    Expired,
    Known,
    Unfinished,
    Failed(String),
}

impl Transfers {
    /// Restores every completed transfer whose row is lost; calls `report` for each that cannot be.
    ///
    /// # Errors
    /// When a store cannot be asked. Run it again then: it goes on where it was.
    pub async fn rebuild(
        &self,
        progress: &Progress,
        report: &(dyn Fn(&Unrestored) + Send + Sync),
    ) -> Result<(), StoreError> {
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let names = self.blobs.transfers();
        names
            .try_for_each_concurrent(TRANSFERS_AT_ONCE, async |name| {
                add(&progress.folders);
                let Ok(id) = name.parse::<TransferId>() else {
                    add(&progress.foreign);
                    return Ok(());
                };
                match self.rebuild_one(id, progress).await? {
                    Outcome::Restored => add(&progress.restored),
                    Outcome::Expired => {
                        add(&progress.expired);
                        add(&progress.restored)
                    }
                    Outcome::Known => add(&progress.known),
                    Outcome::Unfinished => add(&progress.unfinished),
                    Outcome::Failed(reason) => {
                        report(&Unrestored { transfer_id: id, reason });
                        add(&progress.failed)
                    }
                };
                Ok(())
            })
            .await
    }

    async fn rebuild_one(&self, id: TransferId, progress: &Progress) -> Result<Outcome, StoreError> {
        if self.metadata.transfer(id).await?.is_some() {
            return Ok(Outcome::Known);
        }
        let saved = match self.saved(id).await? {
            None => return Ok(Outcome::Unfinished),
            Some(Err(unreadable)) => return Ok(Outcome::Failed(format!("meta.json: {unreadable}"))),
            Some(Ok(saved)) => saved,
        };
        let transfer = match saved.transfer() {
            Ok(transfer) => transfer,
            Err(unreadable) => return Ok(Outcome::Failed(format!("meta.json: {unreadable}"))),
        };
        // Nobody will read it: its bytes go with the next sweep.
        let liveness = state::liveness(&transfer, self.clock.now());
        let has_expired = matches!(liveness, Liveness::Expired | Liveness::Exhausted);
        let chunks = match &transfer.shape {
            _ if has_expired => Ok(Vec::new()),
            Shape::Chunks(layout) => self.chunk_digests(id, *layout, progress).await?,
            Shape::Payload(payload) => self.payload_damage(id, payload, progress).await?.map_or(Ok(Vec::new()), Err),
        };
        let chunks = match chunks {
            Ok(chunks) => chunks,
            Err(reason) => return Ok(Outcome::Failed(reason)),
        };
        let restored = Restored { transfer, sealed_metadata: saved.sealed_metadata(), chunks };
        Ok(match (self.metadata.restore(&restored).await?, has_expired) {
            (false, _) => Outcome::Known,
            (true, true) => Outcome::Expired,
            (true, false) => Outcome::Restored,
        })
    }

    /// The digests of all chunks, or why the transfer cannot be restored.
    async fn chunk_digests(
        &self,
        id: TransferId,
        layout: ChunkLayout,
        progress: &Progress,
    ) -> Result<Result<Vec<Digest>, String>, StoreError> {
        match self.lacking(id, layout).await? {
            Some(lacking) => Ok(Err(lacking)),
            None => self.digests(id, layout, progress).await,
        }
    }

    /// Says why a payload cannot be restored: its blob must be the one that was frozen.
    async fn payload_damage(
        &self,
        id: TransferId,
        payload: &Payload,
        progress: &Progress,
    ) -> Result<Option<String>, StoreError> {
        let Some(upload) = payload.upload else { return Ok(Some("meta.json names no payload".to_owned())) };
        let key = BlobKey::Payload(id, upload.id);
        if self.blobs.len(key).await? != Some(upload.len) {
            return Ok(Some("its payload is missing or has a wrong length".to_owned()));
        }
        let digest = self.digest(key, upload.len).await;
        progress.read_bytes.fetch_add(upload.len, Ordering::Relaxed);
        Ok(match digest {
            Ok(Some(digest)) if digest == upload.blake3 => None,
            Ok(Some(_)) => Some("its payload has other bytes".to_owned()),
            Ok(None) => Some("its payload is gone".to_owned()),
            Err(error) => Some(format!("its payload cannot be read: {}", error.damaged_file().ok_or(error)?)),
        })
    }

    /// Says which chunks are not there in their length. A row must never point to a blob that is missing.
    async fn lacking(&self, id: TransferId, layout: ChunkLayout) -> Result<Option<String>, StoreError> {
        let mut listed = self.blobs.blobs_of(id);
        let mut right = 0;
        while let Some(listed) = listed.try_next().await? {
            if let Some(BlobKey::Chunk(_, index)) = BlobKey::from_name(id, &listed.name) {
                right += u32::from(layout.sealed_len(index) == Some(listed.len));
            }
        }
        let total = layout.total_chunks();
        Ok((right < total).then(|| format!("{} of {total} chunks are missing or have a wrong length", total - right)))
    }

    /// The digests of all chunks, or why one of them cannot be read.
    async fn digests(
        &self,
        id: TransferId,
        layout: ChunkLayout,
        progress: &Progress,
    ) -> Result<Result<Vec<Digest>, String>, StoreError> {
        let places = (0..layout.total_chunks()).filter_map(ChunkIndex::new);
        let mut digests = stream::iter(places)
            .map(async |index| {
                let len = layout.sealed_len(index).unwrap_or_default();
                let digest = self.digest(BlobKey::Chunk(id, index), len).await;
                progress.read_bytes.fetch_add(len, Ordering::Relaxed);
                (index, digest)
            })
            .buffered(CHUNKS_AT_ONCE);
        let mut found = Vec::with_capacity(layout.total_chunks() as usize);
        while let Some((index, digest)) = digests.next().await {
            match digest {
                Ok(Some(digest)) => found.push(digest),
                Ok(None) => return Ok(Err(format!("chunk {index} is gone"))),
                Err(error) => {
                    let damage = error.damaged_file().ok_or(error)?;
                    return Ok(Err(format!("chunk {index} cannot be read: {damage}")));
                }
            }
        }
        Ok(Ok(found))
    }

    /// Reads the first `len` bytes of a blob and returns their BLAKE3; `None` when there are not so many.
    pub(super) async fn digest(&self, key: BlobKey, len: u64) -> Result<Option<Digest>, StoreError> {
        let Some(content) = self.blobs.read(key, 0..len).await? else { return Ok(None) };
        let mut stream = content.into_stream();
        let mut hasher = blake3::Hasher::new();
        while let Some(piece) = stream.try_next().await? {
            hasher.update(&piece);
        }
        Ok(Some(hasher.finalize().into()))
    }
}
