//! Storing a chunk, so that two writers never corrupt and nothing acknowledged is lost (docs/API.md, "Writing a chunk").
//!
//! The order is the whole point: all bytes hashed, then synced and reserved in the database, then published, then
//! marked as stored, then acknowledged. A crash between two steps leaves a reservation that the same bytes complete.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use haulier_wire::{ChunkIndex, TransferId};
use sha2::{Digest as _, Sha256};

use super::state::{self, Liveness};
use super::{TransferError, Transfers, Writer, chunks};
use crate::blob::{BlobKey, Expected, StagedBlob};
use crate::metadata::{ChunkRecord, Digest, Recorded, Step, Transfer};
use crate::store::StoreError;

/// What a request says of its body before the first byte.
#[derive(Clone, Copy, Debug)]
pub struct ChunkUpload {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The chunk.
    pub index: ChunkIndex,
    /// Content-Length.
    pub announced: u64,
    /// SHA-256 from Content-Digest, to be verified.
    pub content_digest: Option<Digest>,
}

/// A body that did not arrive as announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No byte for too long, or too few for very long.
    #[error("the request body stopped arriving")]
    Timeout,
    /// It ended before its Content-Length, or the connection broke.
    #[error("the request body ended early")]
    Incomplete,
    /// It went on beyond its Content-Length or beyond what the route takes.
    #[error("the request body is too large")]
    TooLarge,
}

/// A chunk that is stored and will stay.
#[derive(Clone, Copy, Debug)]
pub struct StoredUpload {
    /// Whether this request stored it; otherwise the same bytes were there.
    pub is_new: bool,
    /// BLAKE3 of the body.
    pub blake3: Digest,
}

impl Transfers {
    /// Receives one sealed chunk and stores it.
    ///
    /// # Errors
    /// Everything that makes the body other than what the transfer expects; nothing of it is kept then.
    /// [`TransferError::ChunkConflict`] when other bytes were first.
    pub async fn upload_chunk<S>(
        &self,
        upload: ChunkUpload,
        writer: &Writer,
        body: S,
    ) -> Result<StoredUpload, TransferError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
    {
        let transfer = self.live(upload.transfer_id, self.clock.now()).await?;
        self.check_writer(&transfer, writer).await?;
        check_length(&transfer, upload)?;

        let key = BlobKey::Chunk(upload.transfer_id, upload.index);
        let mut staged = self.blobs.stage(key, Expected::Exactly(upload.announced)).await?;
        let digests = receive(&mut *staged, body, upload).await?;

        // From here on the client may go: a published blob is recorded, or removed if the transfer is gone.
        let transfers = self.clone();
        let settled = tokio::spawn(async move { transfers.settle(upload, digests, staged).await });
        settled.await.map_err(StoreError::unavailable)?
    }

    /// Syncs and reserves, publishes, records.
    async fn settle(
        &self,
        upload: ChunkUpload,
        digests: Digests,
        mut staged: Box<dyn StagedBlob>,
    ) -> Result<StoredUpload, TransferError> {
        let stored = |is_new| Ok(StoredUpload { is_new, blake3: digests.blake3 });
        // Neither shows anything to anyone: beside each other they take as long as the longer one.
        let (synced, reserved) = tokio::join!(staged.finish(), self.record(upload, digests, Step::Reserve));
        match reserved? {
            Recorded::Stored => return stored(false),
            Recorded::Conflict => return Err(TransferError::ChunkConflict),
            Recorded::Closed => return Err(self.closed(upload.transfer_id).await),
            Recorded::New | Recorded::Same => synced?,
        }
        if let Err(error) = staged.publish().await {
            let error = self.gone_or(upload.transfer_id, error).await;
            return Err(self.without_leftovers(upload, error).await);
        }
        match self.record(upload, digests, Step::Store).await? {
            Recorded::New => stored(true),
            Recorded::Same | Recorded::Stored => stored(false),
            Recorded::Conflict => Err(TransferError::ChunkConflict),
            Recorded::Closed => {
                let error = self.closed(upload.transfer_id).await;
                Err(self.without_leftovers(upload, error).await)
            }
        }
    }

    /// Removes the blob of a chunk whose transfer is gone: the sweeper may have been there and would not look again.
    async fn without_leftovers(&self, upload: ChunkUpload, error: TransferError) -> TransferError {
        let removed = match error {
            TransferError::Deleted => self.blobs.remove_transfer(upload.transfer_id).await,
            // Before it is swept the same bytes are there by right: whoever has a lease may read them.
            TransferError::Exhausted => match self.metadata.transfer(upload.transfer_id).await {
                Ok(row) if row.as_ref().is_none_or(|row| row.is_swept) => {
                    self.blobs.remove_transfer(upload.transfer_id).await
                }
                looked => looked.map(drop),
            },
            TransferError::Expired => self.blobs.remove(BlobKey::Chunk(upload.transfer_id, upload.index)).await,
            _ => return error,
        };
        removed.map_or_else(TransferError::from, |()| error)
    }

    async fn record(&self, upload: ChunkUpload, digests: Digests, step: Step) -> Result<Recorded, TransferError> {
        let now = self.clock.now();
        let record = ChunkRecord {
            transfer_id: upload.transfer_id,
            index: upload.index,
            blake3: digests.blake3,
            sha256: digests.sha256,
            len: upload.announced,
            step,
            now,
            upload_expires_at: state::after(now, self.limits.upload_expiry),
        };
        Ok(self.records.submit(record).await??)
    }

    /// Says why a transfer takes no chunks any more.
    async fn closed(&self, id: TransferId) -> TransferError {
        match self.metadata.transfer(id).await {
            Ok(Some(transfer)) => match state::liveness(&transfer, self.clock.now()) {
                Liveness::Deleted => TransferError::Deleted,
                Liveness::Expired => TransferError::Expired,
                Liveness::Exhausted => TransferError::Exhausted,
                // Its end has moved on meanwhile, or this server's clock is ahead: another try will do, and nothing goes.
                Liveness::Pending | Liveness::Completed => {
                    StoreError::unavailable(anyhow::anyhow!("the transfer was about to end")).into()
                }
            },
            Ok(None) => TransferError::NotFound,
            Err(error) => error.into(),
        }
    }
}

fn check_length(transfer: &Transfer, upload: ChunkUpload) -> Result<(), TransferError> {
    let expected = chunks(transfer)?.sealed_len(upload.index).ok_or(TransferError::NoSuchChunk)?;
    let announced = upload.announced;
    if announced == expected { Ok(()) } else { Err(TransferError::WrongChunkLength { expected, announced }) }
}

/// What was computed over the whole received body.
#[derive(Clone, Copy, Debug)]
struct Digests {
    blake3: Digest,
    /// Only when there was a Content-Digest to verify: it costs five times the BLAKE3.
    sha256: Option<Digest>,
}

/// Streams the body into the staged blob while hashing; verifies length and digest.
async fn receive<S>(staged: &mut dyn StagedBlob, mut body: S, upload: ChunkUpload) -> Result<Digests, TransferError>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
{
    let mut blake3 = blake3::Hasher::new();
    let mut sha256 = upload.content_digest.map(|_| Sha256::new());
    let mut received = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        received += piece.len() as u64;
        if received > upload.announced {
            return Err(BodyError::TooLarge.into());
        }
        blake3.update(&piece);
        if let Some(sha256) = &mut sha256 {
            sha256.update(&piece);
        }
        staged.write(piece).await?;
    }
    if received < upload.announced {
        return Err(BodyError::Incomplete.into());
    }
    let sha256: Option<Digest> = sha256.map(|hasher| hasher.finalize().into());
    if sha256 != upload.content_digest {
        return Err(TransferError::DigestMismatch);
    }
    Ok(Digests { blake3: blake3.finalize().into(), sha256 })
}

#[cfg(test)]
mod tests;
