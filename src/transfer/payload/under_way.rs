//! Bytes of uploads of payloads that are under way in this process: one transfer may have several, and quotas count them
//! together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haulier_wire::TransferId;

/// An upload without a length is counted anew whenever it has grown by a quarter, but by so much at least: each time
/// costs a transaction.
const SMALLEST_STEP: u64 = 1 << 20;
/// And by so much at most.
const LARGEST_STEP: u64 = 64 << 20;

/// Bytes by transfer.
#[derive(Debug, Default)]
pub(in crate::transfer) struct UnderWay(Mutex<HashMap<TransferId, u64>>);

/// What one upload has of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<UnderWay>,
    id: TransferId,
    bytes: u64,
}

impl UnderWay {
    pub(super) fn begin(self: &Arc<Self>, id: TransferId) -> Share {
        Share { of: Arc::clone(self), id, bytes: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TransferId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Has it count for `bytes`, and returns what all uploads of the transfer count for.
    pub(super) fn set(&mut self, bytes: u64) -> u64 {
        let mut all = self.of.lock();
        let of_transfer = all.entry(self.id).or_insert(0);
        *of_transfer = of_transfer.saturating_sub(self.bytes).saturating_add(bytes);
        self.bytes = bytes;
        *of_transfer
    }

    /// Whether so much has arrived that it must be counted before more is written.
    pub(super) fn is_outgrown_by(&self, len: u64) -> bool {
        len >= self.bytes + (self.bytes / 4).clamp(SMALLEST_STEP, LARGEST_STEP)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.set(0) == 0 {
            // Another upload of it may have begun since.
            let mut all = self.of.lock();
            if all.get(&self.id) == Some(&0) {
                all.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
