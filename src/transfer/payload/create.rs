//! Create, as the older system has it: never idempotent, and the id is the server's unless the sender has chosen it.

use haulier_wire::legacy::{CheckedPayload, PayloadCreated};
use haulier_wire::{Timestamp, TransferId, TransferKind};

use crate::metadata::{Created, Digest, Expiry, NewTransfer, Payload, Shape, StoredState, Transfer};
use crate::transfer::{Token, TransferError, Transfers, state};

/// Ids of 12 digits that the server tries: even among a million transfers the second one is free.
const MAX_ID_TRIES: usize = 8;

impl Transfers {
    /// Creates a transfer of one payload.
    ///
    /// # Errors
    /// [`TransferError::Exists`] for an id that is taken, or was; [`TransferError::Limit`] for an end that has passed, and
    /// for a size that no file may have.
    pub async fn create_payload(
        &self,
        asked: &CheckedPayload,
        access: Option<&Token>,
    ) -> Result<PayloadCreated, TransferError> {
        // Only a claim, but one that quotas count.
        if asked.file_size.get() > self.limits.max_file_bytes {
            let most = self.limits.max_file_bytes;
            return Err(TransferError::Limit(format!("file_size_bytes must be at most {most} on this server")));
        }
        let now = self.clock.now();
        let expiry = self.payload_expiry(asked.expires_at, now)?;
        // Nobody can repeat this request; only its own second try after a lost answer finds its own row.
        let create_digest: Digest = blake3::hash(&self.entropy.bytes()).into();
        for _ in 0..MAX_ID_TRIES {
            let id = asked.transfer_id.unwrap_or_else(|| self.new_legacy_id());
            let transfer = self.payload_row(asked, id, expiry, create_digest, now);
            let charge = Some(self.share(asked.file_size.get(), access));
            let is_ours = match self.metadata.create(&NewTransfer { transfer, sealed_metadata: None, charge }).await? {
                Created::New => true,
                Created::Existing(existing) => existing.create_digest == create_digest,
                Created::Refused(refusal) => return Err(TransferError::Refused(refusal)),
            };
            if is_ours {
                return Ok(PayloadCreated { transfer_id: id, upload_url: format!("/api/transfers/upload/{id}") });
            }
            if asked.transfer_id.is_some() {
                break;
            }
        }
        Err(TransferError::Exists)
    }

    /// The older system takes any end, however far: here it is not later than the server's longest.
    fn payload_expiry(&self, asked: Option<Timestamp>, now: Timestamp) -> Result<Expiry, TransferError> {
        let latest = state::after(now, self.limits.max_expiry);
        let asked = state::requested_expiry(&self.limits, None, asked.map(|at| at.min(latest)), now)?;
        let default = i64::try_from(self.limits.default_expiry.as_millis()).unwrap_or(i64::MAX);
        Ok(asked.unwrap_or(Expiry::AfterComplete(default)))
    }

    fn new_legacy_id(&self) -> TransferId {
        let bytes = self.entropy.bytes();
        TransferId::legacy_from_random_bytes(std::array::from_fn(|place| bytes[place]))
    }

    fn payload_row(
        &self,
        asked: &CheckedPayload,
        id: TransferId,
        expiry: Expiry,
        create_digest: Digest,
        now: Timestamp,
    ) -> Transfer {
        Transfer {
            id,
            kind: TransferKind::Payload,
            state: StoredState::Pending,
            create_digest,
            shape: Shape::Payload(Payload {
                file_size: asked.file_size.get(),
                content_type_hint: asked.content_type_hint.clone(),
                auto_delete: asked.auto_delete,
                upload: None,
            }),
            stored_chunks: 0,
            stored_bytes: 0,
            key_check: None,
            kdf_salt: None,
            owner_token_hash: asked.delete_auth_hash.clone(),
            download_token_hash: None,
            max_downloads: asked.max_downloads,
            download_count: 0,
            held: 0,
            abandoned_bytes: 0,
            created_at: now,
            upload_expires_at: state::after(now, self.limits.upload_expiry),
            expiry,
            completed_at: None,
            is_swept: false,
        }
    }
}
