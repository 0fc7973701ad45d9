//! From the row of a payload to its blob: the upload that counts is there and whole, and no other stays.

use futures::TryStreamExt as _;
use haulier_wire::encoding::to_hex;

use super::{Case, Damage, Finding};
use crate::blob::{BlobKey, Listed};
use crate::metadata::{PayloadUpload, StoredState, Transfer};
use crate::store::{StoreError, UploadId};

impl Case<'_> {
    pub(super) async fn look_at_payload(&self, transfer: &Transfer) -> Result<(), StoreError> {
        let mut list = self.transfers.blobs.blobs_of(transfer.id);
        while let Some(listed) = list.try_next().await? {
            match BlobKey::from_name(transfer.id, &listed.name) {
                Some(BlobKey::Meta(_)) => {}
                Some(BlobKey::Payload(_, upload)) => self.look_at_upload(transfer, upload, &listed).await?,
                // A payload has no chunks.
                None | Some(BlobKey::Chunk(..)) => {
                    self.found(&Finding::new(Damage::ForeignName, Some(transfer.id)).found(listed.name));
                }
            }
        }
        if let Some(upload) = transfer.payload_upload() {
            self.look_at_what_counts(transfer, upload).await?;
        }
        if transfer.state == StoredState::Pending { Ok(()) } else { self.look_at_meta(transfer).await }
    }

    /// An upload that does not count: its writer is under way, or has died.
    async fn look_at_upload(&self, transfer: &Transfer, upload: UploadId, listed: &Listed) -> Result<(), StoreError> {
        if self.is_young(listed.modified) || self.counts_now(transfer, upload).await? {
            return Ok(());
        }
        let finding = Finding::new(Damage::PayloadSurplus, Some(transfer.id));
        let finding = finding.found(format!("{}, {} bytes", listed.name, listed.len));
        let removed = async { self.transfers.blobs.remove(BlobKey::Payload(transfer.id, upload)).await.map(|()| true) };
        self.repairable(finding, removed).await;
        Ok(())
    }

    async fn look_at_what_counts(&self, transfer: &Transfer, upload: PayloadUpload) -> Result<(), StoreError> {
        let key = BlobKey::Payload(transfer.id, upload.id);
        let finding = |damage| Finding::new(damage, Some(transfer.id));
        let finding = match self.transfers.blobs.len(key).await? {
            Some(len) if len == upload.len && !self.how.verify => return Ok(()),
            Some(len) if len == upload.len => match self.compare(key, len, upload.blake3).await? {
                None => return Ok(()),
                Some(found) => {
                    finding(Damage::PayloadBytes).expected(format!("BLAKE3 {}", to_hex(&upload.blake3))).found(found)
                }
            },
            Some(len) => {
                finding(Damage::PayloadLength).expected(format!("{} bytes", upload.len)).found(format!("{len} bytes"))
            }
            None => finding(Damage::PayloadMissing).expected(format!("{} bytes", upload.len)),
        };
        // Another upload may have come instead, or the transfer may have ended under our eyes.
        if self.counts_now(transfer, upload.id).await? {
            self.found(&finding);
        }
        Ok(())
    }

    /// Whether an upload is the one that counts, of a transfer that has not ended.
    async fn counts_now(&self, transfer: &Transfer, upload: UploadId) -> Result<bool, StoreError> {
        let row = self.transfers.metadata.transfer(transfer.id).await?.filter(|row| self.is_live(row));
        Ok(row.and_then(|row| row.payload_upload()).is_some_and(|counts| counts.id == upload))
    }
}
