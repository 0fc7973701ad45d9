//! Create: the same request again is harmless, any other under the same id is refused.

use haulier_wire::api::{CreateRequest, CreateResponse};
use haulier_wire::limit::MAX_SEALED_METADATA_BYTES;
use haulier_wire::{ByteLen, ChunkLayout, Timestamp, TransferId, TransferKind};

use super::state::{self, Liveness};
use super::status::known_end;
use super::{Token, TransferError, Transfers};
use crate::metadata::{Created, Expiry, NewTransfer, Shape, StoredState, Transfer};
use crate::store::StoreError;

impl Transfers {
    /// Creates a transfer, or answers again as it did before. Who may is asked before, with [`Transfers::may_create`].
    ///
    /// # Errors
    /// What contradicts itself or exceeds a limit; [`TransferError::Exists`] for an id that other members took;
    /// [`TransferError::Deleted`] and [`TransferError::Expired`] for an id that must never come back.
    pub async fn create(
        &self,
        request: &CreateRequest,
        access: Option<&Token>,
    ) -> Result<CreateResponse, TransferError> {
        let now = self.clock.now();
        let (kind, layout) = request.check()?;
        self.check_limits(layout)?;
        let expiry = state::requested_expiry(&self.limits, request.expires_in_seconds, request.expires_at, now);
        let id = request.transfer_id.unwrap_or_else(|| TransferId::from_random_bytes(self.entropy.bytes()));
        let create_digest = digest(request)?;
        // An expiry that lay ahead when the first answer was lost may lie behind now: the id decides first.
        if let Err(error) = expiry {
            return match self.metadata.transfer(id).await? {
                Some(existing) => self.again(&existing, create_digest, now),
                None => Err(error),
            };
        }
        let new = NewTransfer {
            transfer: self.row(request, id, kind, layout, expiry?, create_digest, now),
            sealed_metadata: request.sealed_metadata.as_ref().map(|sealed| sealed.0.clone()),
            charge: Some(self.share(layout.sealed_size() + metadata_bytes(request, kind), access)),
        };
        match self.metadata.create(&new).await? {
            Created::New => Ok(response(&new.transfer)),
            Created::Existing(existing) => self.again(&existing, create_digest, now),
            Created::Refused(refusal) => Err(TransferError::Refused(refusal)),
        }
    }

    fn check_limits(&self, layout: ChunkLayout) -> Result<(), TransferError> {
        if layout.file_size() > self.limits.max_file_bytes {
            let most = self.limits.max_file_bytes;
            return Err(TransferError::Limit(format!("file_size must be at most {most} bytes on this server")));
        }
        if layout.total_chunks() > self.limits.max_total_chunks {
            let most = self.limits.max_total_chunks;
            return Err(TransferError::Limit(format!("total_chunks must be at most {most} on this server")));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the row's parts, each from another place")]
    fn row(
        &self,
        request: &CreateRequest,
        id: TransferId,
        kind: TransferKind,
        layout: ChunkLayout,
        expiry: Option<Expiry>,
        create_digest: [u8; 32],
        now: Timestamp,
    ) -> Transfer {
        let default = i64::try_from(self.limits.default_expiry.as_millis()).unwrap_or(i64::MAX);
        Transfer {
            id,
            kind,
            state: StoredState::Pending,
            create_digest,
            shape: Shape::Chunks(layout),
            stored_chunks: 0,
            stored_bytes: 0,
            key_check: request.key_check.as_ref().map(|check| check.0.clone()),
            kdf_salt: request.kdf.as_ref().map(|kdf| kdf.salt),
            owner_token_hash: request.owner_token_hash.clone(),
            download_token_hash: request.download_token_hash.clone(),
            max_downloads: request.max_downloads.map_or(0, ByteLen::get),
            download_count: 0,
            held: 0,
            abandoned_bytes: 0,
            created_at: now,
            upload_expires_at: state::after(now, self.limits.upload_expiry),
            expiry: expiry.unwrap_or(Expiry::AfterComplete(default)),
            completed_at: None,
            is_swept: false,
        }
    }

    fn again(
        &self,
        existing: &Transfer,
        create_digest: [u8; 32],
        now: Timestamp,
    ) -> Result<CreateResponse, TransferError> {
        match state::liveness(existing, now) {
            Liveness::Deleted => Err(TransferError::Deleted),
            Liveness::Expired => Err(TransferError::Expired),
            Liveness::Exhausted => Err(TransferError::Exhausted),
            _ if existing.create_digest == create_digest => Ok(response(existing)),
            _ => Err(TransferError::Exists),
        }
    }
}

/// Bytes of the sealed metadata; the most there may be where it is still to come.
fn metadata_bytes(request: &CreateRequest, kind: TransferKind) -> u64 {
    match (&request.sealed_metadata, kind) {
        (Some(sealed), _) => sealed.0.len() as u64,
        (None, TransferKind::Full) => MAX_SEALED_METADATA_BYTES as u64,
        (None, TransferKind::Seed | TransferKind::Payload) => 0,
    }
}

/// Identifies a request by its members, whatever their order and white space were.
fn digest(request: &CreateRequest) -> Result<[u8; 32], StoreError> {
    let members = serde_json::to_vec(request).map_err(StoreError::internal)?;
    Ok(blake3::hash(&members).into())
}

fn response(transfer: &Transfer) -> CreateResponse {
    let id = transfer.id;
    CreateResponse {
        transfer_id: id,
        upload_url: format!("/api/transfers/upload/{id}"),
        manifest_url: format!("/api/transfers/manifest/{id}"),
        expires_at: known_end(transfer),
        upload_expires_at: transfer.upload_expires_at,
    }
}
