//! The use cases: each file is one of them, rules and the two stores together, without a word of HTTP or SQL.

pub mod access;
pub mod complete;
pub mod create;
pub mod delete;
pub mod doctor;
pub mod download;
pub mod import;
pub mod inspect;
pub mod lease;
pub mod payload;
pub mod permission;
pub mod rebuild;
pub mod state;
pub mod status;
pub mod sweep;
pub mod tokens;
pub mod update;
pub mod upload;

mod saved;
mod shared;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use haulier_wire::{ChunkLayout, Timestamp, TokenHash, TransferId};

use crate::batch::{BatchError, Batcher};
use crate::blob::{BlobKey, BlobStore};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::metadata::{ChunkRecord, MetadataStore, Recorded, Transfer, Usage};
use crate::store::StoreError;
use access::{Guesses, Rates};
use payload::UnderWay;
use shared::Shared;
use state::{Limits, Liveness};

pub use crate::blob::{ByteStream, Content, FilePart};
pub use crate::metadata::{Digest, Quotas, Refusal};
pub use access::{Client, Clients, Rate, Reader, Token, Writer};

/// Most chunk records that share one commit of the database.
const MAX_RECORD_BATCH: usize = 256;

/// Bodies of the older system's uploads that are looked into for JSON at the same time; each is in memory for that.
const JSON_TURNS: usize = 2;

/// Takes the steps of many chunks in one commit.
type Recorder = Batcher<ChunkRecord, Result<Recorded, StoreError>>;

/// What every use case works with.
/// Cheap to clone: what must not stop when a client goes away runs on a clone, in a task of its own.
#[derive(Clone, Debug)]
pub struct Transfers {
    metadata: Arc<dyn MetadataStore>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: Limits,
    records: Arc<Recorder>,
    sweep_due: Arc<Notify>,
    json_turns: Arc<Semaphore>,
    under_way: Arc<UnderWay>,
    probes: Arc<Shared<Result<(), StoreError>>>,
    usages: Arc<Shared<Result<Usage, StoreError>>>,
    guesses: Arc<Guesses>,
    /// Outlives all requests.
    runtime: tokio::runtime::Handle,
    client_rates: Arc<Rates<Client>>,
    token_rates: Arc<Rates<TokenHash>>,
    counts: Arc<lease::CountsUnderWay>,
}

impl Transfers {
    /// Puts the use cases together; call it on the runtime that outlives all requests.
    #[must_use]
    pub fn new(
        metadata: Arc<dyn MetadataStore>,
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
    ) -> Self {
        let records = Arc::new(spawn_recorder(Arc::clone(&metadata)));
        Self {
            metadata,
            blobs,
            clock,
            entropy,
            limits,
            records,
            sweep_due: Arc::new(Notify::new()),
            json_turns: Arc::new(Semaphore::new(JSON_TURNS)),
            under_way: Arc::default(),
            probes: Arc::default(),
            usages: Arc::default(),
            guesses: Arc::default(),
            runtime: tokio::runtime::Handle::current(),
            client_rates: Arc::new(Rates::new(limits.client_rate)),
            token_rates: Arc::new(Rates::new(limits.token_rate)),
            counts: Arc::default(),
        }
    }

    /// What this server accepts.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Tells whether both stores can be reached.
    ///
    /// # Errors
    /// The first store that cannot.
    pub async fn probe(&self) -> Result<(), StoreError> {
        // Beside each other: whoever asks waits for the slower one and not for both. Nobody has to have a place to ask.
        self.probes.ask(async { tokio::try_join!(self.metadata.probe(), self.blobs.probe()).map(drop) }).await
    }

    /// Finds a transfer that has neither ended nor been deleted.
    async fn live(&self, id: TransferId, now: Timestamp) -> Result<Transfer, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        match state::liveness(&transfer, now) {
            Liveness::Pending | Liveness::Completed => Ok(transfer),
            Liveness::Exhausted => Err(TransferError::Exhausted),
            Liveness::Deleted => Err(TransferError::Deleted),
            Liveness::Expired => Err(TransferError::Expired),
        }
    }

    /// [`Transfers::live`], or exhausted: that can be asked about for good, and leases may be under way.
    async fn present(&self, id: TransferId, now: Timestamp) -> Result<Transfer, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        match state::liveness(&transfer, now) {
            Liveness::Pending | Liveness::Completed | Liveness::Exhausted => Ok(transfer),
            Liveness::Deleted => Err(TransferError::Deleted),
            Liveness::Expired => Err(TransferError::Expired),
        }
    }

    /// Says why a write failed: a deletion may have swept the folder away under it, and then that is the answer.
    async fn gone_or(&self, id: TransferId, error: StoreError) -> TransferError {
        self.live(id, self.clock.now()).await.err().unwrap_or_else(|| error.into())
    }

    /// Removes what a write left behind that found its transfer gone: the sweeper may have been there and not look again.
    ///
    /// Of an expired transfer the chunks stay: running responses may finish, and the sweep is still to come.
    async fn clean_up_after(&self, id: TransferId, gone: &TransferError) -> Result<(), StoreError> {
        match gone {
            TransferError::Deleted => self.blobs.remove_transfer(id).await,
            _ => self.blobs.remove(BlobKey::Meta(id)).await,
        }
    }

    /// Lets whoever may read a transfer pass: the one place where download tokens are compared.
    fn check_reader(&self, transfer: &Transfer, reader: &Reader) -> Result<(), TransferError> {
        let (pair, stored) = ((transfer.id, reader.client), transfer.download_token_hash.as_ref());
        self.guesses.check(pair, reader.download.as_ref(), stored, Instant::now())
    }

    /// Finds a transfer that can be read.
    async fn readable(&self, id: TransferId, now: Timestamp) -> Result<Transfer, TransferError> {
        let transfer = self.metadata.transfer(id).await?.ok_or(TransferError::NotFound)?;
        check_readable(&transfer, now)?;
        Ok(transfer)
    }
}

/// Says whether a transfer can be read, and otherwise why not.
fn check_readable(transfer: &Transfer, now: Timestamp) -> Result<(), TransferError> {
    match state::liveness(transfer, now) {
        Liveness::Completed => Ok(()),
        Liveness::Exhausted => Err(TransferError::Exhausted),
        Liveness::Pending => Err(TransferError::Pending),
        Liveness::Deleted => Err(TransferError::Deleted),
        Liveness::Expired => Err(TransferError::Expired),
    }
}

/// The cut of a transfer that has one.
fn chunks(transfer: &Transfer) -> Result<ChunkLayout, TransferError> {
    transfer.shape.chunks().copied().ok_or(TransferError::NotChunked)
}

fn spawn_recorder(metadata: Arc<dyn MetadataStore>) -> Recorder {
    Batcher::spawn(MAX_RECORD_BATCH, move |records: Vec<ChunkRecord>| {
        let metadata = Arc::clone(&metadata);
        async move {
            match metadata.record(&records).await {
                Ok(results) => results.into_iter().map(Ok).collect(),
                Err(error) => records.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    })
}

/// Why a use case did not do what it was asked for. Carries nothing of the input.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// No such transfer.
    #[error("there is no such transfer")]
    NotFound,
    /// It is not complete yet.
    #[error("the sender is still uploading")]
    Pending,
    /// Its owner deleted it.
    #[error("the transfer was deleted")]
    Deleted,
    /// Its time is over.
    #[error("the transfer has expired")]
    Expired,
    /// Every download of its limit is spent.
    #[error("every download of the transfer is spent")]
    Exhausted,
    /// Every download that is not spent is under way.
    #[error("every download that is left is under way")]
    PlacesTaken,
    /// The transfer has a limit, and the request no lease.
    #[error("the download needs a lease")]
    LeaseRequired,
    /// There is no such lease, or it has ended.
    #[error("the lease has ended")]
    LeaseEnded,
    /// The lease has read twice the payload.
    #[error("the lease is used up")]
    LeaseUsedUp,
    /// The route needs a token.
    #[error("a token is missing")]
    MissingToken,
    /// The server asks for an access token.
    #[error("an access token is missing")]
    MissingAccessToken,
    /// The token is not the one that the route needs.
    #[error("the token is not the right one")]
    WrongToken,
    /// This client presented too many wrong tokens for this transfer; nothing was compared.
    #[error("too many wrong tokens")]
    TooManyGuesses {
        /// When one more will be compared.
        retry_after: Duration,
    },
    /// More requests than the rate allows.
    #[error("too many requests")]
    RateLimited {
        /// When one more passes.
        retry_after: Duration,
    },
    /// The transfer has no owner token, so nobody can delete it.
    #[error("the transfer has no owner token")]
    DeleteNotEnabled,
    /// There is no share left of what is limited, or the access token is not good for one.
    #[error("the access token or a quota is used up")]
    Refused(Refusal),
    /// The request contradicts itself.
    #[error(transparent)]
    Contradiction(#[from] haulier_wire::api::CreateError),
    /// A number beyond what this server accepts.
    #[error("{0}")]
    Limit(String),
    /// The id is taken by a transfer with other members.
    #[error("the transfer id is taken")]
    Exists,
    /// It is one payload of the older system, and the route is about chunks.
    #[error("the transfer has no chunks")]
    NotChunked,
    /// It takes no payload: it is not there, has chunks, or is not pending.
    #[error("the transfer takes no payload")]
    NotPending,
    /// Nothing was uploaded that could be completed.
    #[error("no payload was uploaded")]
    PayloadMissing,
    /// The transfer has fewer chunks.
    #[error("the transfer has no such chunk")]
    NoSuchChunk,
    /// The body is not as long as the chunk.
    #[error("the chunk has the wrong length")]
    WrongChunkLength {
        /// Sealed bytes that the chunk has.
        expected: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// The body does not have its Content-Digest.
    #[error("the body does not have its digest")]
    DigestMismatch,
    /// The client stopped sending, or sent something else than it announced.
    #[error(transparent)]
    Body(#[from] upload::BodyError),
    /// Other bytes are stored or reserved under this index.
    #[error("other bytes are stored under this index")]
    ChunkConflict,
    /// Not every chunk is there.
    #[error("not every chunk is there")]
    ChunksMissing {
        /// Inclusive ranges of indices, the first 1000.
        missing: Vec<[u32; 2]>,
        /// Whether there are more.
        more: bool,
    },
    /// Other sealed metadata was set, or a FULL transfer has none.
    #[error("the sealed metadata is missing or another was set")]
    SealedMetadataConflict,
    /// A SEED transfer takes no sealed metadata.
    #[error("this transfer takes no sealed metadata")]
    SealedMetadataSurplus,
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is shutting down.
    #[error(transparent)]
    Stopped(BatchError),
}

impl From<BatchError> for TransferError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Stopped => Self::Stopped(error),
            BatchError::Panicked => StoreError::internal(error).into(),
        }
    }
}
