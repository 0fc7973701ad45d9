//! Sweep: removes the bytes of transfers that were deleted, have expired or were abandoned.

use std::collections::HashMap;

use haulier_wire::{Timestamp, TransferId};

use super::Transfers;
use crate::store::StoreError;

/// Transfers that one round takes on.
const SWEEP_BATCH: u32 = 100;

impl Transfers {
    /// Waits until a deletion has left bytes to remove.
    pub async fn sweep_due(&self) {
        self.sweep_due.notified().await;
    }

    /// Removes the blobs of what has ended; returns how many transfers that were.
    ///
    /// Safe to stop anywhere and to run again: the note in the database comes last.
    ///
    /// # Errors
    /// One that occurred; everything that could be removed was removed all the same.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let ended_before = now.saturating_sub(self.limits.sweep_grace).unwrap_or(Timestamp::MIN);
        let (mut swept, mut failed) = (0, HashMap::new());
        loop {
            let batch = self.metadata.sweepable(ended_before, SWEEP_BATCH).await?;
            let fresh: Vec<TransferId> = batch.into_iter().filter(|id| !failed.contains_key(id)).collect();
            if fresh.is_empty() {
                // One that cannot be removed must not keep the others from going; it is tried again next time.
                return failed.into_values().next().map_or(Ok(swept), Err);
            }
            for id in fresh {
                match self.sweep_one(id).await {
                    Ok(()) => swept += 1,
                    Err(error) => {
                        failed.insert(id, error);
                    }
                }
            }
        }
    }

    /// Removes the blobs of one that has ended.
    pub(super) async fn sweep_one(&self, id: TransferId) -> Result<(), StoreError> {
        self.blobs.remove_transfer(id).await?;
        self.metadata.swept(id).await
    }
}
