//! Doctor: compares what the database says with what lies in the blob store, and repairs what loses nobody anything.
//!
//! Safe beside running servers. What looks wrong is looked at again before it is reported, in the order in which a
//! server writes; and every repair is a step that a server could take itself at that moment.

mod finding;
mod folders;
mod payload;
mod rows;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haulier_wire::Timestamp;

use super::{Transfers, state};
use crate::store::StoreError;

pub use finding::{Damage, Finding, Outcome};

/// Transfers that are looked at at the same time.
const TRANSFERS_AT_ONCE: usize = 8;
/// Chunks of one transfer whose bytes are read at the same time.
const CHUNKS_AT_ONCE: usize = 4;

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct Examination {
    /// Read every stored chunk and compare its BLAKE3.
    pub verify: bool,
    /// Repair what may be repaired.
    pub repair: bool,
    /// What was written later is left alone: its row may be on its way.
    pub older_than: Duration,
}

/// What was looked at, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Examined {
    /// Rows that are neither deleted nor expired.
    pub transfers: u64,
    /// Chunks that these say are stored.
    pub chunks: u64,
    /// Folders in the blob store.
    pub folders: u64,
    /// Bytes that were read and compared.
    pub verified_bytes: u64,
    /// Findings.
    pub damaged: u64,
    /// Findings that are repaired now.
    pub repaired: u64,
}

impl Transfers {
    /// Looks at everything; calls `report` for each damage, in any order.
    ///
    /// # Errors
    /// When a store cannot be asked. What was found until then has been reported.
    pub async fn examine(
        &self,
        how: Examination,
        report: &(dyn Fn(&Finding) + Send + Sync),
    ) -> Result<Examined, StoreError> {
        let case = Case { transfers: self, how, report, counts: Counts::default() };
        case.look_at_rows().await?;
        case.look_at_folders().await?;
        Ok(case.counts.examined())
    }
}

/// One examination.
struct Case<'c> {
    transfers: &'c Transfers,
    how: Examination,
    report: &'c (dyn Fn(&Finding) + Send + Sync),
    counts: Counts,
}

impl Case<'_> {
    /// The present moment: a long examination sees transfers end.
    fn now(&self) -> Timestamp {
        self.transfers.clock.now()
    }

    /// Whether something was written too recently to be judged.
    fn is_young(&self, modified: Timestamp) -> bool {
        state::after(modified, self.how.older_than) > self.now()
    }

    fn found(&self, finding: &Finding) {
        self.counts.damaged.fetch_add(1, Ordering::Relaxed);
        if finding.outcome == Outcome::Repaired {
            self.counts.repaired.fetch_add(1, Ordering::Relaxed);
        }
        (self.report)(finding);
    }

    /// Reports what can be repaired, after the repair if one is wanted. A repair answers whether it still had to be done.
    async fn repairable<F>(&self, mut finding: Finding, repair: F)
    where
        F: Future<Output = Result<bool, StoreError>> + Send,
    {
        finding.outcome = Outcome::Repairable;
        if self.how.repair {
            finding.outcome = match repair.await {
                Ok(true) => Outcome::Repaired,
                // Somebody else was there first: a running server, or its sweep.
                Ok(false) => return,
                Err(error) => Outcome::Failed(format!("{:#}", anyhow::Error::from(error))),
            };
        }
        self.found(&finding);
    }
}

#[derive(Default)]
struct Counts {
    transfers: AtomicU64,
    chunks: AtomicU64,
    folders: AtomicU64,
    verified_bytes: AtomicU64,
    damaged: AtomicU64,
    repaired: AtomicU64,
}

impl Counts {
    fn examined(&self) -> Examined {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Examined {
            transfers: read(&self.transfers),
            chunks: read(&self.chunks),
            folders: read(&self.folders),
            verified_bytes: read(&self.verified_bytes),
            damaged: read(&self.damaged),
            repaired: read(&self.repaired),
        }
    }
}

#[cfg(test)]
mod tests;
