//! Complete, as the older system has it: freezes exactly one upload.

use haulier_wire::api::Transparency;
use haulier_wire::legacy::PayloadCompleted;
use haulier_wire::{ByteLen, Timestamp};

use crate::metadata::{Expiry, StoredState, Transfer};
use crate::store::StoreError;
use crate::transfer::complete::NO_ADDRESS;
use crate::transfer::state::{self, Liveness};
use crate::transfer::{TransferError, Transfers};

/// How often another upload may come first before complete gives up.
const MAX_TRIES: usize = 100;

impl Transfers {
    /// Freezes the upload that counts, or answers again as it did before.
    pub(in crate::transfer) async fn complete_payload(
        &self,
        mut transfer: Transfer,
        now: Timestamp,
    ) -> Result<PayloadCompleted, TransferError> {
        let id = transfer.id;
        if matches!(transfer.state, StoredState::Completed | StoredState::Exhausted) {
            return Ok(response(&transfer));
        }
        for _ in 0..MAX_TRIES {
            let upload = transfer.payload_upload().ok_or(TransferError::PayloadMissing)?;
            let expires_at = state::expires_at(transfer.expiry, now);
            let (state, expiry) = (StoredState::Completed, Expiry::At(expires_at));
            let frozen = Transfer { state, completed_at: Some(now), expiry, ..transfer.clone() };
            if let Err(error) = self.save(&frozen).await {
                return Err(self.gone_or(id, error).await);
            }
            if self.metadata.complete_payload(id, upload.id, now, transfer.expiry, expires_at).await? {
                self.forget_other_uploads(id, upload).await;
                return Ok(response(&frozen));
            }
            let found = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
            let gone = match state::liveness(&found, now) {
                // Another upload came first, or the owner moved the end: again, with what counts now.
                Liveness::Pending => {
                    transfer = found;
                    continue;
                }
                // Our meta.json may have overwritten the winner's; or the winner was us, and the answer was lost.
                Liveness::Completed | Liveness::Exhausted => {
                    let saved = self.save_latest(found, now).await?;
                    if let Some(frozen) = saved.payload_upload() {
                        self.forget_other_uploads(id, frozen).await;
                    }
                    return Ok(response(&saved));
                }
                Liveness::Deleted => TransferError::Deleted,
                Liveness::Expired => TransferError::Expired,
            };
            self.clean_up_after(id, &gone).await?;
            return Err(gone);
        }
        Err(StoreError::unavailable(anyhow::anyhow!("uploads of the payload kept coming first")).into())
    }
}

fn response(transfer: &Transfer) -> PayloadCompleted {
    let id = transfer.id;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    PayloadCompleted {
        transfer_id: id,
        download_url: format!("/d/{id}"),
        transparency: Transparency {
            ip: NO_ADDRESS.to_owned(),
            timestamp: transfer.created_at,
            file_size_bytes: ByteLen::new(transfer.shape.file_size()).unwrap_or(ByteLen::MAX),
            stored_fields: names(&["ip_hash", "file_size_bytes", "created_at", "content_type_hint"]),
            encrypted: names(&["file_name", "file_content"]),
            not_stored: names(&["decryption_key", "raw_ip"]),
        },
    }
}
