//! What the operator's commands ask of a database: walks over all rows, page by page, and the few repairs.

use std::fmt::Debug;

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TransferId};

use super::{Digest, StoredChunk, StoredState, Transfer};
use crate::store::StoreError;

/// Transfers of one sort, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// What is stored of their state.
    pub state: StoredState,
    /// Whether their time, or the time of their upload, is over.
    pub has_ended: bool,
    /// Whether nothing of them is left in the blob store.
    pub is_swept: bool,
    /// How many there are.
    pub transfers: u64,
    /// Bytes of plaintext that their senders announced.
    pub declared_bytes: u64,
    /// Chunks that were stored.
    pub stored_chunks: u64,
    /// Sealed bytes of these.
    pub stored_bytes: u64,
}

/// A completed transfer as it was before its row was lost.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The row, counters included.
    pub transfer: Transfer,
    /// FULL only.
    pub sealed_metadata: Option<Vec<u8>>,
    /// BLAKE3 of every chunk, in order; none for a transfer that has ended and will never be read.
    pub chunks: Vec<Digest>,
}

/// The part of a database that no request needs. Every method is safe beside running servers.
#[async_trait]
pub trait OperatorStore: Debug + Send + Sync {
    /// Lists transfers, tombstones included, in the database's own order of ids: the first `most` behind `after`.
    async fn transfers(&self, after: Option<TransferId>, most: u32) -> Result<Vec<Transfer>, StoreError>;

    /// Lists the stored chunks of a transfer by index: the first `most` from `from` on.
    async fn stored_chunks(
        &self,
        id: TransferId,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ChunkIndex, StoredChunk)>, StoreError>;

    /// Lists what `claim_sweep` would claim if nobody had claimed anything, in the order of ids: the first `most` behind
    /// `after`.
    async fn unswept(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        after: Option<TransferId>,
        most: u32,
    ) -> Result<Vec<Transfer>, StoreError>;

    /// Counts those that have ended at `now`, and adds up their sealed bytes.
    async fn unswept_total(&self, now: Timestamp) -> Result<(u64, u64), StoreError>;

    /// Adds up all transfers by what they are at `now`.
    async fn totals(&self, now: Timestamp) -> Result<Vec<Total>, StoreError>;

    /// Takes back that a chunk of `len` bytes is stored; the reservation stays, so that the same bytes can come again.
    /// `false` when it was not stored with this digest, or its transfer is not pending.
    async fn unstore(&self, id: TransferId, index: ChunkIndex, blake3: Digest, len: u64) -> Result<bool, StoreError>;

    /// Inserts a completed transfer, whole or not at all; `false` when its id is there, in whatever state.
    async fn restore(&self, restored: &Restored) -> Result<bool, StoreError>;
}
