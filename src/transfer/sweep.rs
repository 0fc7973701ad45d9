//! Sweep: removes the bytes of transfers that were deleted, have expired or were abandoned.
//!
//! Any number of servers do this at once: each claims a few transfers at a time in the database. A claim that was lost
//! all the same (its server was suspended, clocks differ) costs work that is done twice, and harms nothing.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use haulier_wire::{Timestamp, TransferId};
use serde::Serialize;

use super::state::Liveness;
use super::{Transfers, state};
use crate::blob::BlobKey;
use crate::store::StoreError;

/// Transfers that are claimed at a time: few, so that all servers get a share.
const SWEEP_BATCH: u32 = 16;
/// Of these, how many are removed at the same time.
const SWEEPS_AT_ONCE: usize = 4;
/// A claim outlives its server for so long.
const CLAIM_LASTS: Duration = Duration::from_secs(60);
/// Transfers of one round that could not be removed: beyond that, the store is what has failed.
const MOST_FAILED: usize = 16_384;
/// Claims are renewed so often: a removal may take longer than a claim.
const CLAIM_RENEWED: Duration = Duration::from_secs(20);
/// What was staged counts as abandoned when nothing has come to it for so long. A body that pauses is given up after
/// seconds, and the slowest that is not takes hours for a part: this is beyond both, and beyond clocks that differ.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// Transfers of a page of [`Transfers::each_unswept`].
const UNSWEPT_PAGE: u32 = 256;

/// Transfers and their sealed bytes, which were removed or are to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// How many.
    pub transfers: u64,
    /// Their sealed bytes.
    pub bytes: u64,
}

/// A transfer whose blobs can go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unswept {
    /// Which.
    pub transfer_id: TransferId,
    /// `deleted`, `expired` or `exhausted`; an upload that was abandoned has expired.
    pub state: &'static str,
    /// Its sealed bytes.
    pub bytes: u64,
}

impl Transfers {
    /// Waits until a deletion, or a download that was the last one, has left bytes to remove.
    pub async fn sweep_due(&self) {
        self.sweep_due.notified().await;
    }

    /// Removes the blobs of what has ended and nobody else has claimed, after giving back the places of leases that have
    /// lapsed; returns what that was.
    ///
    /// Safe to stop anywhere, also to drop, and to run again: the note in the database comes last, and claims end by
    /// themselves.
    ///
    /// # Errors
    /// The first that occurred. Everything that could be removed was removed all the same, unless the store is away.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let begun = self.clock.now();
        // Leases of one transfer must not keep the bytes of all others from going.
        if let Err(error) = self.end_lapsed_leases(begun).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "not every lease that has lapsed was ended: the next sweep goes on");
        }
        let ended_before = self.ended_before(begun);
        let (mut swept, mut failed, mut first) = (Swept::default(), HashSet::new(), None);
        let mut is_away = false;
        while !is_away && failed.len() < MOST_FAILED {
            let now = self.clock.now();
            let until = state::after(now, CLAIM_LASTS);
            let claimed = self.metadata.claim_sweep(ended_before, now, until, SWEEP_BATCH).await?;
            if claimed.is_empty() {
                break;
            }
            // Where removing takes long, claims on what failed have run out: those behind them come with the next claim.
            let fresh = claimed.into_iter().filter(|id| !failed.contains(id)).collect();
            let batch = self.sweep_batch(fresh).await;
            // Each of a million would wait for it anew. One alone may have a fault of its own.
            is_away = !batch.is_empty() && batch.iter().all(|(_, removed)| is_unavailable(removed));
            for (id, removed) in batch {
                match removed {
                    Ok(bytes) => {
                        swept.transfers += 1;
                        swept.bytes += bytes;
                    }
                    Err(error) => {
                        failed.insert(id);
                        first.get_or_insert(error);
                    }
                }
            }
        }
        // One that cannot be removed must not keep the others from going; it is tried again next time, by anyone.
        for id in &failed {
            if let Err(error) = self.metadata.move_sweep_claim(*id, self.clock.now()).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a claim was not given back: it ends by itself");
            }
        }
        first.map_or(Ok(swept), Err)
    }

    /// Removes what was staged by servers that have died.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn sweep_abandoned(&self) -> Result<(), StoreError> {
        let before = self.clock.now().saturating_sub(ABANDONED_AFTER).unwrap_or(Timestamp::MIN);
        let removed = self.blobs.remove_abandoned(before).await?;
        if removed > 0 {
            tracing::info!(uploads = removed, "removed uploads that nobody went on with");
        }
        Ok(())
    }

    /// Removes the blobs of a few, some at a time, and keeps the claims on them meanwhile.
    async fn sweep_batch(&self, ids: Vec<TransferId>) -> Vec<(TransferId, Result<u64, StoreError>)> {
        let sweeps = stream::iter(ids.clone()).map(async |id| (id, self.sweep_one(id).await));
        let sweeps = sweeps.buffer_unordered(SWEEPS_AT_ONCE).collect();
        tokio::select! {
            swept = sweeps => swept,
            never = self.keep_claims(&ids) => match never {},
        }
    }

    async fn keep_claims(&self, ids: &[TransferId]) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(CLAIM_RENEWED).await;
            let until = state::after(self.clock.now(), CLAIM_LASTS);
            for id in ids {
                if let Err(error) = self.metadata.move_sweep_claim(*id, until).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a claim was not renewed: another server may sweep the same transfer");
                }
            }
        }
    }

    /// What has ended and is not removed yet, whether or not it is kept for a while.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn waiting(&self) -> Result<Swept, StoreError> {
        let (transfers, bytes) = self.metadata.unswept_total(self.clock.now()).await?;
        Ok(Swept { transfers, bytes })
    }

    /// Calls `tell` for each transfer whose blobs the next sweep would remove; returns what they are together.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn each_unswept(&self, tell: impl Fn(&Unswept)) -> Result<Swept, StoreError> {
        let now = self.clock.now();
        let (mut found, mut after) = (Swept::default(), None);
        loop {
            let page = self.metadata.unswept(self.ended_before(now), now, after, UNSWEPT_PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id);
            for transfer in &page {
                let state = match state::liveness(transfer, now) {
                    Liveness::Deleted => "deleted",
                    Liveness::Exhausted => "exhausted",
                    Liveness::Expired | Liveness::Pending | Liveness::Completed => "expired",
                };
                tell(&Unswept { transfer_id: transfer.id, state, bytes: transfer.stored_bytes });
                found.transfers += 1;
                found.bytes += transfer.stored_bytes;
            }
        }
    }

    fn ended_before(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.limits.sweep_grace).unwrap_or(Timestamp::MIN)
    }

    /// Removes the blobs of one that has ended; returns their bytes.
    pub(super) async fn sweep_one(&self, id: TransferId) -> Result<u64, StoreError> {
        self.count_saved(id).await;
        self.blobs.remove_transfer(id).await?;
        let bytes = self.metadata.swept(id).await?;
        // Whoever wrote it since the removal may not have seen the note; whoever writes it later does, and removes it.
        self.blobs.remove(BlobKey::Meta(id)).await?;
        Ok(bytes)
    }
}

fn is_unavailable(removed: &Result<u64, StoreError>) -> bool {
    matches!(removed, Err(StoreError::Unavailable(_)))
}

#[cfg(test)]
mod tests;
