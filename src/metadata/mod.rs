//! What the server knows of transfers: the trait that the databases implement.
//!
//! Every method is one atomic intent. Races come back as values, absence as `Option`; only failures are errors.

mod access;
#[cfg(test)]
mod contract;
mod lease;
pub mod metered;
mod operator;
mod payload;
mod pool;
pub mod postgres;
mod shape;
mod sql;
pub mod sqlite;

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TokenHash, TransferId, TransferKind};

use crate::store::{PoolUse, StoreError};

pub use access::{AccessStore, AccessToken, Charge, Quotas, Refusal, Revoked, Usage};
pub use lease::{Charged, Committed, Ended, Lapsed, Lease, LeaseKey, LeaseStore, LeaseTimes, Taken};
pub use operator::{OperatorStore, Restored, Total};
pub use payload::{PayloadRecord, PayloadStore};
pub use shape::{Payload, PayloadUpload, Shape};

/// A BLAKE3 or SHA-256 digest.
pub type Digest = [u8; 32];

/// The states that are stored. Expiry is not among them: it follows from the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredState {
    /// Chunks are arriving.
    Pending,
    /// Frozen.
    Completed,
    /// Frozen, and every download of its limit is spent.
    Exhausted,
    /// A tombstone.
    Deleted,
}

/// When a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this moment.
    At(Timestamp),
    /// So many milliseconds after complete.
    AfterComplete(i64),
}

/// One transfer's row, without its sealed metadata.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// FULL, SEED, or payload: that, exactly when its shape is one.
    pub kind: TransferKind,
    /// What is stored of its state; `transfer::state` says what that means now.
    pub state: StoredState,
    /// BLAKE3 of the create request.
    pub create_digest: Digest,
    /// What its bytes are.
    pub shape: Shape,
    /// Chunks whose blobs are there.
    pub stored_chunks: u32,
    /// Their sealed bytes; bytes of the payload that counts.
    pub stored_bytes: u64,
    /// FULL only.
    pub key_check: Option<Vec<u8>>,
    /// When the key mode has a passphrase.
    pub kdf_salt: Option<[u8; 16]>,
    /// Who may write and delete; nobody in particular when absent.
    pub owner_token_hash: Option<TokenHash>,
    /// Who may read; everybody when absent.
    pub download_token_hash: Option<TokenHash>,
    /// 0: no limit.
    pub max_downloads: u64,
    /// Downloads counted so far.
    pub download_count: u64,
    /// Places of downloads that are spent or under way.
    pub held: u64,
    /// Bytes of downloads that gave their place back; less than the payload.
    pub abandoned_bytes: u64,
    /// When create was called.
    pub created_at: Timestamp,
    /// When a pending upload ends.
    pub upload_expires_at: Timestamp,
    /// When the transfer ends.
    pub expiry: Expiry,
    /// When complete was called.
    pub completed_at: Option<Timestamp>,
    /// Whether its blobs were removed for good.
    pub is_swept: bool,
}

/// A transfer to be created.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    /// The row; its counters are 0 and its state is pending.
    pub transfer: Transfer,
    /// 28 bytes to 1 MiB.
    pub sealed_metadata: Option<Vec<u8>>,
    /// What it takes of what is limited; what is not counted takes nothing.
    pub charge: Option<Charge>,
}

/// What create found.
#[derive(Clone, Debug)]
pub enum Created {
    /// The row is new.
    New,
    /// The id was taken; here is its row.
    Existing(Box<Transfer>),
    /// There is no share left for it; nothing was inserted.
    Refused(Refusal),
}

/// How far a chunk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bytes are known, the blob is not there yet: from now on no other bytes get this index.
    Reserve,
    /// The blob is there.
    Store,
}

/// One step of one chunk.
#[derive(Clone, Debug)]
pub struct ChunkRecord {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The chunk.
    pub index: ChunkIndex,
    /// The identity of its bytes.
    pub blake3: Digest,
    /// When it was computed to verify a Content-Digest.
    pub sha256: Option<Digest>,
    /// Sealed bytes.
    pub len: u64,
    /// How far it has come.
    pub step: Step,
    /// The present moment.
    pub now: Timestamp,
    /// When the upload ends if no further chunk arrives.
    pub upload_expires_at: Timestamp,
}

/// What came of one [`ChunkRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// This record took the step.
    New,
    /// The same bytes are reserved, their blob may still be missing.
    Same,
    /// The same bytes are stored.
    Stored,
    /// Other bytes have the index.
    Conflict,
    /// The transfer takes no chunks: it was deleted, has expired or is not there.
    Closed,
}

/// What came of setting something that can be set once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOnce {
    /// It is set now.
    New,
    /// The same was set before.
    Same,
    /// Something else was set before.
    Conflict,
}

/// One chunk whose blob is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredChunk {
    /// The identity of its bytes.
    pub blake3: Digest,
    /// When it was computed to verify a Content-Digest.
    pub sha256: Option<Digest>,
}

/// Versions of a schema before and after it was brought up to date; 0 for an empty database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// What was found.
    pub from: i64,
    /// What is there now.
    pub to: i64,
}

/// Stores what the server knows of transfers. What it has answered is durable, but for what `record` leaves open.
#[async_trait]
pub trait MetadataStore: OperatorStore + AccessStore + LeaseStore + PayloadStore {
    /// Inserts a transfer and takes its share of what is limited, or finds the one that has its id, for nothing.
    async fn create(&self, new: &NewTransfer) -> Result<Created, StoreError>;

    /// Finds a transfer, tombstones included.
    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StoreError>;

    /// Finds a transfer's sealed metadata.
    async fn sealed_metadata(&self, id: TransferId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets a transfer's sealed metadata, once.
    async fn set_sealed_metadata(&self, id: TransferId, sealed: &[u8]) -> Result<SetOnce, StoreError>;

    /// Takes the next step of many chunks in one commit; answers each, in order.
    ///
    /// A stored chunk is durable when this returns. A reservation must last for as long as another writer of the index
    /// can be under way. Where several servers share the database, that is beyond its restart: durable when this
    /// returns. Only a database that belongs to this process may leave it to the next durable commit, because a power
    /// cut ends its writers too; `kill -9` must not lose it, and its stored chunk must not be durable without it.
    async fn record(&self, records: &[ChunkRecord]) -> Result<Vec<Recorded>, StoreError>;

    /// Finds a transfer and, if its blob is there, one of its chunks.
    async fn transfer_and_chunk(
        &self,
        id: TransferId,
        index: ChunkIndex,
    ) -> Result<Option<(Transfer, Option<StoredChunk>)>, StoreError>;

    /// Lists inclusive ranges of chunks that are not stored, the first `most`.
    async fn missing(&self, id: TransferId, total: u32, most: usize) -> Result<Vec<[u32; 2]>, StoreError>;

    /// Freezes a pending transfer, not swept, all of whose chunks are stored and whose expiry is still `expiry`, from which
    /// `expires_at` follows; `false` when it is not that.
    async fn complete(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Changes when a transfer ends. `false` when it was deleted, has ended at `now` or was swept, and when it was completed
    /// and `expiry` counts from complete.
    async fn set_expiry(&self, id: TransferId, expiry: Expiry, now: Timestamp) -> Result<bool, StoreError>;

    /// Turns a transfer into a tombstone; `false` when it is one.
    async fn delete(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError>;

    /// Counts one download of a transfer that had no limit when it began; a limit that came since may be spent by it.
    async fn count_download(&self, id: TransferId) -> Result<(), StoreError>;

    /// Claims transfers whose blobs can go, deleted or ended before `ended_before`, or exhausted and without a lease at `now`:
    /// at most `most`, and none that somebody has claimed beyond `now`. Until `until` nobody else gets them.
    async fn claim_sweep(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError>;

    /// Moves the end of a claim: on, while its work goes on, or to the present, which gives it back. Does nothing to
    /// what is swept.
    async fn move_sweep_claim(&self, id: TransferId, until: Timestamp) -> Result<(), StoreError>;

    /// Notes that a transfer's blobs are gone, gives back its share of what is limited, and forgets its chunks, its
    /// sealed metadata, its leases and its claim. Returns how many sealed bytes were noted; 0 when that was noted before.
    async fn swept(&self, id: TransferId) -> Result<u64, StoreError>;

    /// Tells whether the database can be reached and takes writes.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How busy its connections are.
    fn pools(&self) -> Vec<PoolUse>;

    /// Ends all connections, after what is under way.
    async fn close(&self);
}
