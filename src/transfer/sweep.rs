//! Sweep: removes the bytes of transfers that were deleted, have expired or were abandoned.

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
    /// The first store that fails; what was removed until then stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let ended_before = now.saturating_sub(self.limits.sweep_grace).unwrap_or(Timestamp::MIN);
        let mut swept = 0;
        loop {
            let batch = self.metadata.sweepable(ended_before, SWEEP_BATCH).await?;
            if batch.is_empty() {
                return Ok(swept);
            }
            for id in batch {
                self.sweep_one(id).await?;
                swept += 1;
            }
        }
    }

    async fn sweep_one(&self, id: TransferId) -> Result<(), StoreError> {
        self.blobs.remove_transfer(id).await?;
        self.metadata.swept(id).await
    }
}
