//! A database that is measured: every call goes through to the one inside, which knows nothing of it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use haulier_wire::{ChunkIndex, Timestamp, TokenHash, TransferId};

use super::{
    AccessStore, AccessToken, Charge, Charged, ChunkRecord, Committed, Created, Digest, Ended, Expiry, Lapsed, Lease,
    LeaseKey, LeaseStore, LeaseTimes, MetadataStore, NewTransfer, OperatorStore, PayloadRecord, PayloadStore, Recorded,
    Refusal, Restored, Revoked, SetOnce, Step, StoredChunk, Taken, Total, Transfer, Usage,
};
use crate::store::{PoolUse, StoreError, UploadId};
use crate::telemetry::metrics::DatabaseMetrics;

/// Measures the database inside.
#[derive(Debug)]
pub struct MeteredMetadata {
    inner: Arc<dyn MetadataStore>,
    metrics: DatabaseMetrics,
}

impl MeteredMetadata {
    /// Measures `inner` from now on.
    #[must_use]
    pub fn new(inner: Arc<dyn MetadataStore>, metrics: DatabaseMetrics) -> Self {
        Self { inner, metrics }
    }

    /// Measures one call.
    async fn step<T>(
        &self,
        step: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.metrics.steps.measure(step, work).await
    }
}

/// An operator's command measures nothing: it is gone before anybody looks.
#[async_trait]
impl OperatorStore for MeteredMetadata {
    async fn transfers(&self, after: Option<TransferId>, most: u32) -> Result<Vec<Transfer>, StoreError> {
        self.inner.transfers(after, most).await
    }

    async fn stored_chunks(
        &self,
        id: TransferId,
        from: u32,
        most: u32,
    ) -> Result<Vec<(ChunkIndex, StoredChunk)>, StoreError> {
        self.inner.stored_chunks(id, from, most).await
    }

    async fn unswept(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        after: Option<TransferId>,
        most: u32,
    ) -> Result<Vec<Transfer>, StoreError> {
        self.inner.unswept(ended_before, now, after, most).await
    }

    async fn unswept_total(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        self.inner.unswept_total(now).await
    }

    async fn totals(&self, now: Timestamp) -> Result<Vec<Total>, StoreError> {
        self.inner.totals(now).await
    }

    async fn unstore(&self, id: TransferId, index: ChunkIndex, blake3: Digest, len: u64) -> Result<bool, StoreError> {
        self.inner.unstore(id, index, blake3, len).await
    }

    async fn restore(&self, restored: &Restored) -> Result<bool, StoreError> {
        self.inner.restore(restored).await
    }
}

#[async_trait]
impl PayloadStore for MeteredMetadata {
    async fn record_payload(&self, record: &PayloadRecord) -> Result<bool, StoreError> {
        self.step("record_payload", self.inner.record_payload(record)).await
    }

    async fn complete_payload(
        &self,
        id: TransferId,
        upload: UploadId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.step("complete", self.inner.complete_payload(id, upload, at, expiry, expires_at)).await
    }
}

#[async_trait]
impl AccessStore for MeteredMetadata {
    async fn access_token(&self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError> {
        self.step("access_token", self.inner.access_token(hash)).await
    }

    async fn creator(&self, id: TransferId) -> Result<Option<AccessToken>, StoreError> {
        self.step("creator", self.inner.creator(id)).await
    }

    async fn use_access_token(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Result<AccessToken, Refusal>, StoreError> {
        self.step("use_access_token", self.inner.use_access_token(hash, now)).await
    }

    async fn recount(&self, id: TransferId, charge: &Charge) -> Result<Result<(), Refusal>, StoreError> {
        self.step("recount", self.inner.recount(id, charge)).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.step("usage", self.inner.usage()).await
    }

    async fn add_access_token(&self, token: &AccessToken) -> Result<bool, StoreError> {
        self.inner.add_access_token(token).await
    }

    async fn access_tokens(&self, after: &str, most: u32) -> Result<Vec<AccessToken>, StoreError> {
        self.inner.access_tokens(after, most).await
    }

    async fn revoke_access_token(&self, name: &str, at: Timestamp) -> Result<Revoked, StoreError> {
        self.inner.revoke_access_token(name, at).await
    }
}

#[async_trait]
impl LeaseStore for MeteredMetadata {
    async fn take_lease(
        &self,
        key: &LeaseKey,
        payload_bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Taken, StoreError> {
        self.step("take_lease", self.inner.take_lease(key, payload_bytes, now, times)).await
    }

    async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
        self.step("lease", self.inner.lease(key)).await
    }

    async fn charge_lease(
        &self,
        key: &LeaseKey,
        bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Charged, StoreError> {
        self.step("charge_lease", self.inner.charge_lease(key, bytes, now, times)).await
    }

    async fn refund_lease(&self, key: &LeaseKey, bytes: u64) -> Result<(), StoreError> {
        self.step("refund_lease", self.inner.refund_lease(key, bytes)).await
    }

    async fn commit_lease(&self, key: &LeaseKey, now: Timestamp, times: LeaseTimes) -> Result<Committed, StoreError> {
        self.step("commit_lease", self.inner.commit_lease(key, now, times)).await
    }

    async fn end_lease(&self, key: &LeaseKey, keep_spent: bool) -> Result<Ended, StoreError> {
        self.step("end_lease", self.inner.end_lease(key, keep_spent)).await
    }

    async fn release_place(&self, key: &LeaseKey) -> Result<Ended, StoreError> {
        self.step("release_place", self.inner.release_place(key)).await
    }

    async fn with_lapsed_leases(
        &self,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        self.step("with_lapsed_leases", self.inner.with_lapsed_leases(now, times, most)).await
    }

    async fn end_lapsed_leases(
        &self,
        id: TransferId,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Lapsed, StoreError> {
        self.step("end_lapsed_leases", self.inner.end_lapsed_leases(id, now, times, most)).await
    }

    async fn set_max_downloads(&self, id: TransferId, max_downloads: u64) -> Result<bool, StoreError> {
        self.step("set_max_downloads", self.inner.set_max_downloads(id, max_downloads)).await
    }
}

#[async_trait]
impl MetadataStore for MeteredMetadata {
    async fn create(&self, new: &NewTransfer) -> Result<Created, StoreError> {
        self.step("create", self.inner.create(new)).await
    }

    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        self.step("transfer", self.inner.transfer(id)).await
    }

    async fn sealed_metadata(&self, id: TransferId) -> Result<Option<Vec<u8>>, StoreError> {
        self.step("sealed_metadata", self.inner.sealed_metadata(id)).await
    }

    async fn set_sealed_metadata(&self, id: TransferId, sealed: &[u8]) -> Result<SetOnce, StoreError> {
        self.step("set_sealed_metadata", self.inner.set_sealed_metadata(id, sealed)).await
    }

    async fn record(&self, records: &[ChunkRecord]) -> Result<Vec<Recorded>, StoreError> {
        let begun = Instant::now();
        let recorded = self.step("commit", self.inner.record(records)).await;
        let took = begun.elapsed();
        self.metrics.batch_records.observe(u32::try_from(records.len()).unwrap_or(u32::MAX).into());
        for record in records {
            let step = match record.step {
                Step::Reserve => "reserve",
                Step::Store => "store",
            };
            // Whoever shares a commit waits for all of it.
            self.metrics.steps.took(step, took);
        }
        recorded
    }

    async fn transfer_and_chunk(
        &self,
        id: TransferId,
        index: ChunkIndex,
    ) -> Result<Option<(Transfer, Option<StoredChunk>)>, StoreError> {
        self.step("transfer_and_chunk", self.inner.transfer_and_chunk(id, index)).await
    }

    async fn missing(&self, id: TransferId, total: u32, most: usize) -> Result<Vec<[u32; 2]>, StoreError> {
        self.step("missing", self.inner.missing(id, total, most)).await
    }

    async fn complete(
        &self,
        id: TransferId,
        at: Timestamp,
        expiry: Expiry,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.step("complete", self.inner.complete(id, at, expiry, expires_at)).await
    }

    async fn set_expiry(&self, id: TransferId, expiry: Expiry, now: Timestamp) -> Result<bool, StoreError> {
        self.step("set_expiry", self.inner.set_expiry(id, expiry, now)).await
    }

    async fn delete(&self, id: TransferId, at: Timestamp) -> Result<bool, StoreError> {
        self.step("delete", self.inner.delete(id, at)).await
    }

    async fn count_download(&self, id: TransferId) -> Result<(), StoreError> {
        self.step("count_download", self.inner.count_download(id)).await
    }

    async fn claim_sweep(
        &self,
        ended_before: Timestamp,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError> {
        self.step("claim_sweep", self.inner.claim_sweep(ended_before, now, until, most)).await
    }

    async fn move_sweep_claim(&self, id: TransferId, until: Timestamp) -> Result<(), StoreError> {
        self.step("move_sweep_claim", self.inner.move_sweep_claim(id, until)).await
    }

    async fn swept(&self, id: TransferId) -> Result<u64, StoreError> {
        let bytes = self.step("swept", self.inner.swept(id)).await?;
        self.metrics.swept.inc();
        self.metrics.swept_bytes.inc_by(bytes);
        Ok(bytes)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.step("probe", self.inner.probe()).await
    }

    fn pools(&self) -> Vec<PoolUse> {
        self.inner.pools()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests;
