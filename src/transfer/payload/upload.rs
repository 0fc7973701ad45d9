//! One upload of a payload: streamed and hashed, synced, published under a name of its own, then recorded as the one
//! that counts, then acknowledged.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use haulier_wire::TransferId;
use haulier_wire::encoding::from_base64;
use haulier_wire::limit::{MAX_PAYLOAD_BYTES, MAX_UPLOAD_JSON_BYTES};
use serde::Deserialize;
use tokio::time::{Instant, interval_at};

use super::under_way::Share;
use crate::blob::{BlobKey, Expected, StagedBlob};
use crate::metadata::{PayloadRecord, PayloadUpload};
use crate::store::{StoreError, UploadId};
use crate::transfer::upload::BodyError;
use crate::transfer::{TransferError, Transfers, Writer, state};

/// How often an upload looks whether its transfer still takes one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often an upload finds that another one was recorded since its look, before it gives up.
const MAX_RECORD_TRIES: usize = 100;

/// What a request says of its body before the first byte.
#[derive(Clone, Copy, Debug)]
pub struct PayloadBody {
    /// Content-Length, if there is one.
    pub announced: Option<u64>,
    /// What it is said to be.
    pub json: Json,
}

/// Whether a body may be JSON with the payload inside, if it begins with `{`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// It is the payload.
    No,
    /// Nobody says it: what is too long for it is the payload.
    Perhaps,
    /// It is said to be JSON: what is too long for it was never meant to be the payload.
    Said,
}

/// What has arrived.
struct Received {
    upload: PayloadUpload,
    /// It begins as JSON does, and is short enough to be looked at.
    looks_like_json: bool,
}

impl Transfers {
    /// Receives a payload; it replaces an earlier one. Returns its length.
    ///
    /// # Errors
    /// [`TransferError::NotPending`] unless the transfer takes a payload, before and after it has arrived;
    /// [`TransferError::Body`] when it does not arrive whole or is too long. Nothing of it is kept then.
    pub async fn upload_payload<S>(
        &self,
        id: TransferId,
        writer: &Writer,
        expected: PayloadBody,
        body: S,
    ) -> Result<u64, TransferError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
    {
        let transfer = self.takes_payload(id).await?;
        self.check_writer(&transfer, writer).await?;
        let most = match expected.announced {
            Some(_) => self.limits.max_file_bytes.min(MAX_PAYLOAD_BYTES),
            None => self.most_unannounced(),
        };
        if expected.announced.is_some_and(|len| len > most) {
            return Err(BodyError::TooLarge.into());
        }
        // Before it fills the disk; what was announced at create was only a claim.
        let mut share = self.under_way.begin(id);
        self.recount(id, share.set(expected.announced.unwrap_or(0))).await?;
        let upload = self.new_upload();
        let len = expected.announced.map_or(Expected::AtMost(most), Expected::Exactly);
        let mut staged = self.blobs.stage(BlobKey::Payload(id, upload), len).await?;
        let announced = expected.announced.ok_or(most);
        let received = self.receive(&mut *staged, (id, upload), body, (announced, expected.json), &mut share).await?;
        // From here on the client may go: a published blob is recorded, or removed.
        let transfers = self.clone();
        let settled = tokio::spawn(async move { transfers.settle_payload(id, received, staged, share).await });
        settled.await.map_err(StoreError::unavailable)?
    }

    /// Streams the body into the staged blob while hashing. Without a length, `announced` is the most that may come, and
    /// what has come is counted on the way.
    async fn receive<S>(
        &self,
        staged: &mut dyn StagedBlob,
        (transfer, id): (TransferId, UploadId),
        mut body: S,
        (announced, json): (Result<u64, u64>, Json),
        share: &mut Share,
    ) -> Result<Received, TransferError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
    {
        let mut blake3 = blake3::Hasher::new();
        let (mut len, mut first) = (0, None);
        let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        loop {
            let piece = tokio::select! {
                piece = body.next() => piece,
                // What is complete, deleted or swept counts nothing on its way: nothing more must come of it.
                // A database that is away says nothing of that, and must not cost what has travelled.
                _ = looks.tick() => match self.takes_payload(transfer).await {
                    Ok(_) | Err(TransferError::Store(_)) => continue,
                    Err(too_late) => return Err(too_late),
                },
            };
            let Some(piece) = piece.transpose()? else { break };
            len += piece.len() as u64;
            if len > announced.unwrap_or_else(|most| most) {
                return Err(BodyError::TooLarge.into());
            }
            if announced.is_err() && share.is_outgrown_by(len) {
                self.recount(transfer, share.set(len)).await?;
            }
            first = first.or_else(|| piece.first().copied());
            let is_json = json == Json::Said && first == Some(b'{');
            if is_json && announced.unwrap_or(len) > MAX_UPLOAD_JSON_BYTES {
                return Err(BodyError::TooLarge.into());
            }
            blake3.update(&piece);
            staged.write(piece).await?;
        }
        if announced.is_ok_and(|announced| len < announced) {
            return Err(BodyError::Incomplete.into());
        }
        let upload = PayloadUpload { id, len, blake3: blake3.finalize().into() };
        let looks_like_json = json != Json::No && first == Some(b'{') && len <= MAX_UPLOAD_JSON_BYTES;
        Ok(Received { upload, looks_like_json })
    }

    /// Longest payload whose upload does not announce its length.
    #[must_use]
    pub fn most_unannounced(&self) -> u64 {
        self.limits.max_file_bytes.min(MAX_PAYLOAD_BYTES).min(self.blobs.most_unannounced())
    }

    async fn settle_payload(
        &self,
        id: TransferId,
        received: Received,
        mut staged: Box<dyn StagedBlob>,
        mut share: Share,
    ) -> Result<u64, TransferError> {
        self.recount(id, share.set(received.upload.len)).await?;
        staged.finish().await?;
        // Once more: what comes into a folder that was swept would stay there if this process died now.
        self.takes_payload(id).await?;
        if let Err(error) = staged.publish().await {
            return Err(self.gone_or(id, error).await);
        }
        let mut upload = received.upload;
        if received.looks_like_json {
            upload = self.unwrapped(id, upload).await?;
        }
        self.count_upload(id, upload).await?;
        Ok(upload.len)
    }

    /// Lets a published upload count instead of whichever did.
    ///
    /// After an error of the database the blob stays, because it may be the one that counts, or have been seen counting:
    /// complete removes it if it is not, or the end of the transfer does.
    async fn count_upload(&self, id: TransferId, upload: PayloadUpload) -> Result<(), TransferError> {
        for _ in 0..MAX_RECORD_TRIES {
            let seen = self.metadata.transfer(id).await?.and_then(|transfer| transfer.payload_upload());
            match self.takes_payload(id).await {
                Ok(_) => {}
                Err(TransferError::Store(error)) => return Err(error.into()),
                Err(too_late) => {
                    self.forget_late_upload(id, upload.id).await?;
                    return Err(too_late);
                }
            }
            let now = self.clock.now();
            let upload_expires_at = state::after(now, self.limits.upload_expiry);
            let instead_of = seen.map(|seen| seen.id);
            let record = PayloadRecord { transfer_id: id, upload, instead_of, now, upload_expires_at };
            if self.metadata.record_payload(&record).await? {
                if let Some(replaced) = instead_of {
                    self.forget_upload(id, replaced).await;
                }
                return Ok(());
            }
        }
        self.forget_upload(id, upload.id).await;
        Err(StoreError::unavailable(anyhow::anyhow!("other uploads of the same payload kept coming first")).into())
    }

    /// What stands in an upload that is JSON with a payload inside, as an upload of its own; any other as it is.
    async fn unwrapped(&self, id: TransferId, outer: PayloadUpload) -> Result<PayloadUpload, TransferError> {
        // Its bytes are read back, so that no client holds memory for as long as it takes to send them.
        let _turn = self.json_turns.acquire().await.map_err(StoreError::internal)?;
        let content = self.blobs.read(BlobKey::Payload(id, outer.id), 0..outer.len).await?;
        let Some(content) = content else { return Err(TransferError::NotPending) };
        let pieces: Vec<Bytes> = content.into_stream().try_collect().await.map_err(StoreError::from)?;
        let found = tokio::task::spawn_blocking(move || payload_in_json(&pieces.concat())).await;
        let Some(payload) = found.map_err(StoreError::internal)? else { return Ok(outer) };
        let inner =
            PayloadUpload { id: self.new_upload(), len: payload.len() as u64, blake3: blake3::hash(&payload).into() };
        self.blobs.put(BlobKey::Payload(id, inner.id), Bytes::from(payload)).await?;
        self.forget_upload(id, outer.id).await;
        Ok(inner)
    }
}

/// The payload in `{"data": base64}`; `None` when it is no such JSON, and then it is the payload itself.
fn payload_in_json(body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Wrapped<'b> {
        #[serde(borrow)]
        data: Cow<'b, str>,
    }
    let wrapped: Wrapped<'_> = serde_json::from_slice(body).ok()?;
    from_base64(&wrapped.data)
}

#[cfg(test)]
mod tests;
