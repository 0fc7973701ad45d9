//! What the transfers of the older system ask of a database: which upload of a payload counts, and its end.

use std::fmt::Debug;

use async_trait::async_trait;
use haulier_wire::{Timestamp, TransferId};

use super::{Expiry, PayloadUpload};
use crate::store::{StoreError, UploadId};

/// One whole upload of a payload, whose blob is there.
#[derive(Clone, Copy, Debug)]
pub struct PayloadRecord {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The upload that is to count.
    pub upload: PayloadUpload,
    /// The one that counted before, as the caller has seen it.
    pub instead_of: Option<UploadId>,
    /// The present moment.
    pub now: Timestamp,
    /// When the upload ends if no further one arrives.
    pub upload_expires_at: Timestamp,
}

/// The part of a database that only payloads need. Each method is one conditional UPDATE.
#[async_trait]
pub trait PayloadStore: Debug + Send + Sync {
    /// Lets an upload count. `false` when the transfer is not pending, has ended, or another upload counts than the
    /// caller has seen: it never counted then, not for a moment.
    ///
    /// # Errors
    /// After one nobody knows whether the upload counts, or did: its blob must stay.
    async fn record_payload(&self, record: &PayloadRecord) -> Result<bool, StoreError>;

    /// Freezes a pending payload for which `upload` counts and whose expiry is still `expiry`, from which `expires_at`
    /// follows; `false` when it is not that. From then on no upload touches it.
    async fn complete_payload(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError>;
}
