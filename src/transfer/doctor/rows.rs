//! From the rows to the blob store: every stored chunk is there and has its length, every completed transfer its meta.json.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{TryStreamExt as _, stream};
use haulier_wire::ChunkIndex;
use haulier_wire::encoding::to_hex;

use super::{CHUNKS_AT_ONCE, Case, Damage, Finding, TRANSFERS_AT_ONCE};
use crate::blob::{BlobKey, Listed};
use crate::metadata::{Digest, StoredState, Transfer};
use crate::store::StoreError;
use crate::transfer::TransferError;
use crate::transfer::saved::Unreadable;
use crate::transfer::state::{self, Liveness};

/// Rows of transfers that are read at a time.
const TRANSFERS_PAGE: u32 = 256;
/// Rows of chunks that are read at a time.
const CHUNKS_PAGE: u32 = 4096;
/// How long a change of the row may take to reach meta.json before they contradict each other.
const META_PAUSE: Duration = Duration::from_secs(1);

impl Case<'_> {
    pub(super) async fn look_at_rows(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.transfers.metadata.transfers(after, TRANSFERS_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let live = page.into_iter().filter(|transfer| self.is_live(transfer) || self.is_spent(transfer)).map(Ok);
            stream::iter(live)
                .try_for_each_concurrent(TRANSFERS_AT_ONCE, async |transfer| self.look_at_row(&transfer).await)
                .await?;
        }
    }

    /// What has ended is the sweep's.
    pub(super) fn is_live(&self, transfer: &Transfer) -> bool {
        matches!(state::liveness(transfer, self.now()), Liveness::Pending | Liveness::Completed)
    }

    /// Whether nothing of it counts but that a rebuild must not bring it back to be read.
    fn is_spent(&self, transfer: &Transfer) -> bool {
        !transfer.is_swept && state::liveness(transfer, self.now()) == Liveness::Exhausted
    }

    async fn look_at_row(&self, transfer: &Transfer) -> Result<(), StoreError> {
        if self.is_spent(transfer) {
            return self.look_at_meta(transfer).await;
        }
        self.counts.transfers.fetch_add(1, Ordering::Relaxed);
        if transfer.shape.payload().is_some() {
            return self.look_at_payload(transfer).await;
        }
        // The list first: what is published and stored after it was made is looked at once more.
        let listed = self.look_at_list(transfer).await?;
        let (mut from, mut next) = (0, 0);
        loop {
            let page = self.transfers.metadata.stored_chunks(transfer.id, from, CHUNKS_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            from = last.get() + 1;
            for (index, _) in &page {
                self.look_at_gap(transfer, next, index.get()).await?;
                next = index.get() + 1;
            }
            self.counts.chunks.fetch_add(page.len() as u64, Ordering::Relaxed);
            stream::iter(page.into_iter().map(Ok))
                .try_for_each_concurrent(CHUNKS_AT_ONCE, async |(index, chunk)| {
                    self.look_at_chunk(transfer, index, chunk.blake3, listed.has(index)).await
                })
                .await?;
        }
        self.look_at_gap(transfer, next, transfer.shape.total_chunks()).await?;
        if transfer.state == StoredState::Completed { self.look_at_meta(transfer).await } else { Ok(()) }
    }

    /// Which chunks have a blob of the right length; reports what does not belong there.
    async fn look_at_list(&self, transfer: &Transfer) -> Result<Places, StoreError> {
        let mut places = Places::default();
        let mut list = self.transfers.blobs.blobs_of(transfer.id);
        while let Some(listed) = list.try_next().await? {
            match BlobKey::from_name(transfer.id, &listed.name) {
                // A transfer of chunks has no payload.
                None | Some(BlobKey::Payload(..)) => {
                    self.found(&Finding::new(Damage::ForeignName, Some(transfer.id)).found(listed.name));
                }
                Some(BlobKey::Meta(_)) => {}
                Some(BlobKey::Chunk(_, index)) => match sealed_len(transfer, index) {
                    Some(len) if len == listed.len => places.add(index),
                    Some(_) => {}
                    None => self.surplus(transfer, index, &listed).await,
                },
            }
        }
        Ok(places)
    }

    async fn surplus(&self, transfer: &Transfer, index: ChunkIndex, listed: &Listed) {
        if self.is_young(listed.modified) {
            return;
        }
        let finding = Finding::new(Damage::ChunkSurplus, Some(transfer.id)).index(index.get());
        let finding = finding.found(format!("{} bytes", listed.len));
        // No server ever writes there: it answers 404 to such an index.
        let removed = async { self.transfers.blobs.remove(BlobKey::Chunk(transfer.id, index)).await.map(|()| true) };
        self.repairable(finding, removed).await;
    }

    /// Chunks from `next` up to `index` have no row: what a completed transfer lacks, it lacks for good.
    async fn look_at_gap(&self, transfer: &Transfer, next: u32, index: u32) -> Result<(), StoreError> {
        if transfer.state != StoredState::Completed || next >= index || !self.is_still(transfer).await? {
            return Ok(());
        }
        let finding = Finding::new(Damage::ChunkUnrecorded, Some(transfer.id)).index(next);
        self.found(&finding.expected(format!("{} chunks from {next} on recorded as stored", index - next)));
        Ok(())
    }

    async fn look_at_chunk(
        &self,
        transfer: &Transfer,
        index: ChunkIndex,
        blake3: Digest,
        is_listed: bool,
    ) -> Result<(), StoreError> {
        // A row beyond the last chunk has no blob to compare with; the list has reported the blob.
        let Some(expected) = sealed_len(transfer, index) else { return Ok(()) };
        let key = BlobKey::Chunk(transfer.id, index);
        let len = if is_listed { Some(expected) } else { self.transfers.blobs.len(key).await? };
        let finding = |damage| Finding::new(damage, Some(transfer.id)).index(index.get());
        let finding = match len {
            Some(len) if len == expected && !self.how.verify => return Ok(()),
            Some(len) if len == expected => match self.compare(key, expected, blake3).await? {
                None => return Ok(()),
                Some(found) => finding(Damage::ChunkBytes).expected(format!("BLAKE3 {}", to_hex(&blake3))).found(found),
            },
            Some(len) => {
                finding(Damage::ChunkLength).expected(format!("{expected} bytes")).found(format!("{len} bytes"))
            }
            None => finding(Damage::ChunkMissing).expected(format!("{expected} bytes")),
        };
        // The row as it is now: the transfer may have been deleted and swept under our eyes.
        let row = self.transfers.metadata.transfer_and_chunk(transfer.id, index).await?;
        let Some((row, Some(chunk))) = row else { return Ok(()) };
        if chunk.blake3 != blake3 || !self.is_live(&row) {
            return Ok(());
        }
        if row.state == StoredState::Completed {
            self.found(&finding);
        } else {
            // Stored and damaged stays so: the same bytes are not taken twice, until the row takes the chunk back.
            self.repairable(finding, self.transfers.metadata.unstore(transfer.id, index, blake3, expected)).await;
        }
        Ok(())
    }

    /// Reads a blob; `None` when it has this digest, else what it has.
    pub(super) async fn compare(&self, key: BlobKey, len: u64, blake3: Digest) -> Result<Option<String>, StoreError> {
        match self.transfers.digest(key, len).await {
            Ok(Some(found)) => {
                self.counts.verified_bytes.fetch_add(len, Ordering::Relaxed);
                Ok((found != blake3).then(|| format!("BLAKE3 {}", to_hex(&found))))
            }
            Ok(None) => Ok(Some("it is too short, or gone".to_owned())),
            Err(error) => {
                let damage = error.damaged_file().ok_or(error)?;
                Ok(Some(format!("it cannot be read: {damage}")))
            }
        }
    }

    async fn is_still(&self, transfer: &Transfer) -> Result<bool, StoreError> {
        let row = self.transfers.metadata.transfer(transfer.id).await?;
        Ok(row.is_some_and(|row| self.is_live(&row)))
    }

    pub(super) async fn look_at_meta(&self, transfer: &Transfer) -> Result<(), StoreError> {
        let mut wrong = self.meta_damage(transfer).await?;
        if wrong.is_some() {
            // A server may have changed the row and be about to write.
            tokio::time::sleep(META_PAUSE).await;
            wrong = self.meta_damage(transfer).await?;
        }
        let Some(finding) = wrong else { return Ok(()) };
        if finding.damage == Damage::MetaNewer {
            // What a newer program wrote down may not be in the row's columns that this one knows.
            self.found(&finding);
            return Ok(());
        }
        let written = async {
            let Some(row) = self.transfers.metadata.transfer(transfer.id).await? else { return Ok(false) };
            match self.transfers.save_latest(row, self.now()).await {
                Ok(_) => Ok(true),
                Err(TransferError::Store(error)) => Err(error),
                // Deleted or expired meanwhile.
                Err(_) => Ok(false),
            }
        };
        self.repairable(finding, written).await;
        Ok(())
    }

    async fn meta_damage(&self, transfer: &Transfer) -> Result<Option<Finding>, StoreError> {
        let saved = self.transfers.saved(transfer.id).await?;
        // The row behind the file: that is the order in which a deletion goes.
        let row = self.transfers.metadata.transfer(transfer.id).await?;
        let Some(row) = row.filter(|row| self.is_live(row) || self.is_spent(row)) else { return Ok(None) };
        // Where there is no limit, not every download is written down.
        let least = if transfer.max_downloads > 0 { transfer.download_count } else { 0 };
        let sealed = self.transfers.metadata.sealed_metadata(row.id).await?;
        let finding = |damage| Finding::new(damage, Some(row.id)).expected("what the row says");
        Ok(match saved {
            // It is the first that a sweep removes.
            None if self.is_spent(&row) => None,
            None => Some(finding(Damage::MetaMissing)),
            Some(Err(Unreadable::Newer)) => Some(finding(Damage::MetaNewer).found(Unreadable::Newer.to_string())),
            Some(Err(unreadable)) => Some(finding(Damage::MetaWrong).found(unreadable.to_string())),
            Some(Ok(saved)) if saved.says_what(&row, sealed, least) => None,
            Some(Ok(_)) => Some(finding(Damage::MetaWrong).found("something else")),
        })
    }
}

fn sealed_len(transfer: &Transfer, index: ChunkIndex) -> Option<u64> {
    transfer.shape.chunks()?.sealed_len(index)
}

/// A set of chunk indices: one bit each, in blocks, so that few chunks of many cost little.
#[derive(Default)]
struct Places(BTreeMap<u32, [u64; 64]>);

impl Places {
    fn add(&mut self, index: ChunkIndex) {
        let (block, word, bit) = Self::place(index);
        self.0.entry(block).or_insert([0; 64])[word] |= 1 << bit;
    }

    fn has(&self, index: ChunkIndex) -> bool {
        let (block, word, bit) = Self::place(index);
        self.0.get(&block).is_some_and(|block| block[word] >> bit & 1 == 1)
    }

    fn place(index: ChunkIndex) -> (u32, usize, u32) {
        let index = index.get();
        (index / 4096, (index / 64 % 64) as usize, index % 64)
    }
}
