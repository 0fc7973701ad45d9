//! Inspect: what an operator may know of one transfer, and of all of them together.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt as _;
use haulier_wire::TransferId;

use super::state::{self, Liveness};
use super::{TransferError, Transfers};
use crate::blob::BlobKey;
use crate::metadata::{Total, Transfer};
use crate::store::StoreError;

/// Folders that are listed at the same time.
const FOLDERS_AT_ONCE: usize = 16;

/// One transfer's row, and what it means now.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub transfer: Transfer,
    /// What it means.
    pub liveness: Liveness,
    /// Bytes of its sealed metadata.
    pub sealed_metadata_bytes: Option<usize>,
}

/// What lies in the blob store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Measured {
    /// Folders of transfers.
    pub transfers: u64,
    /// Sealed chunks.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Payloads of the older system's transfers.
    pub payloads: u64,
    /// Their bytes.
    pub payload_bytes: u64,
    /// All other bytes: meta.json, and what has a foreign name.
    pub other_bytes: u64,
}

impl Transfers {
    /// Tells what is known of a transfer, tombstones included.
    ///
    /// # Errors
    /// [`TransferError::NotFound`].
    pub async fn show(&self, id: TransferId) -> Result<Shown, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        let sealed_metadata_bytes = self.metadata.sealed_metadata(id).await?.map(|sealed| sealed.len());
        let liveness = state::liveness(&transfer, self.clock.now());
        Ok(Shown { transfer, liveness, sealed_metadata_bytes })
    }

    /// Adds up all rows.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn totals(&self) -> Result<Vec<Total>, StoreError> {
        self.metadata.totals(self.clock.now()).await
    }

    /// Adds up all blobs, which takes a look at each.
    ///
    /// # Errors
    /// When the blob store cannot be asked.
    pub async fn measure_blobs(&self) -> Result<Measured, StoreError> {
        let [transfers, chunks, chunk_bytes, payloads, payload_bytes, other_bytes] = [const { AtomicU64::new(0) }; 6];
        let add = |count: &AtomicU64, more| count.fetch_add(more, Ordering::Relaxed);
        let names = self.blobs.transfers().try_filter_map(async |name| Ok(name.parse::<TransferId>().ok()));
        names
            .try_for_each_concurrent(FOLDERS_AT_ONCE, async |id| {
                add(&transfers, 1);
                let mut listed = self.blobs.blobs_of(id);
                while let Some(listed) = listed.try_next().await? {
                    let (count, bytes) = match BlobKey::from_name(id, &listed.name) {
                        Some(BlobKey::Chunk(..)) => (&chunks, &chunk_bytes),
                        Some(BlobKey::Payload(..)) => (&payloads, &payload_bytes),
                        Some(BlobKey::Meta(_)) | None => {
                            add(&other_bytes, listed.len);
                            continue;
                        }
                    };
                    add(count, 1);
                    add(bytes, listed.len);
                }
                Ok(())
            })
            .await?;
        let [transfers, chunks, chunk_bytes, payloads, payload_bytes, other_bytes] =
            [transfers, chunks, chunk_bytes, payloads, payload_bytes, other_bytes].map(AtomicU64::into_inner);
        Ok(Measured { transfers, chunks, chunk_bytes, payloads, payload_bytes, other_bytes })
    }
}
