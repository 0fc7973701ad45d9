//! What stays of a transfer that this machine sent: enough to list and to delete it, not to open it.

use haulier_wire::{Timestamp, TransferId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The content of `sent/ID.json`. Holds no key, so no link can be made from it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SentRecord {
    pub(crate) v: u32,
    pub(crate) transfer_id: TransferId,
    pub(crate) server: String,
    /// Deletes and changes the transfer.
    pub(crate) owner_token: Zeroizing<String>,
    pub(crate) name: String,
    pub(crate) file_size: u64,
    /// By this machine's clock.
    pub(crate) sent_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for SentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentRecord").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}
