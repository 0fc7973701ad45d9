//! Spent places on their way to meta.json: beside what spends them, one writer for each transfer.
//!
//! The counter in the database is the one that counts, and this one is for a rebuild: no reader waits for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use haulier_wire::TransferId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::{TransferError, Transfers};

/// A process that stops waits so long for what is being written; a store that is away may need longer.
const LAST_COUNTS: Duration = Duration::from_secs(30);

/// Transfers whose count is being written; `true`: it has changed since its writer looked.
#[derive(Debug)]
pub(in crate::transfer) struct CountsUnderWay(watch::Sender<HashMap<TransferId, bool>>);

impl Default for CountsUnderWay {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl CountsUnderWay {
    /// Whether the caller is to write: nobody else is at it, who would look again.
    fn begin(&self, id: TransferId) -> bool {
        let mut is_first = false;
        self.0.send_modify(|under_way| match under_way.entry(id) {
            Entry::Vacant(place) => {
                place.insert(false);
                is_first = true;
            }
            Entry::Occupied(mut writer) => drop(writer.insert(true)),
        });
        is_first
    }

    /// Whether the caller is to write once more.
    fn end(&self, id: TransferId) -> bool {
        let mut again = false;
        self.0.send_modify(|under_way| {
            again = under_way.insert(id, false).unwrap_or(false);
            if !again {
                under_way.remove(&id);
            }
        });
        again
    }

    async fn has_not(&self, id: TransferId) {
        let _ = self.0.subscribe().wait_for(|under_way| !under_way.contains_key(&id)).await;
    }

    async fn are_none(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(HashMap::is_empty).await;
    }
}

impl Transfers {
    /// Has meta.json written after a place was spent.
    pub(super) fn save_count(&self, id: TransferId) {
        if !self.counts.begin(id) {
            return;
        }
        let transfers = self.clone();
        self.runtime.spawn(async move {
            loop {
                transfers.save_count_now(id).await;
                if !transfers.counts.end(id) {
                    return;
                }
            }
        });
    }

    /// Waits until every count is written that was to be, but not without end.
    pub async fn counts_saved(&self) {
        if timeout(LAST_COUNTS, self.counts.are_none()).await.is_err() {
            tracing::warn!(
                "stopped before every meta.json held the last count of downloads: doctor --repair writes them"
            );
        }
    }

    /// Waits until the count of one is written: it must not be written behind a sweep, and stay there.
    pub(in crate::transfer) async fn count_saved(&self, id: TransferId) {
        let _ = timeout(LAST_COUNTS, self.counts.has_not(id)).await;
    }

    async fn save_count_now(&self, id: TransferId) {
        let now = self.clock.now();
        let saved = async { self.save_latest(self.present(id, now).await?, now).await };
        match saved.await {
            Ok(_) | Err(TransferError::Deleted | TransferError::Expired | TransferError::Exhausted) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(transfer.id = %id, error, "meta.json does not hold the last count of downloads");
            }
        }
    }
}
