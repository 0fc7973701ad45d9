//! A blob on its way in: gathered into blocks, and sent when it is published; what cannot be kept travels meanwhile, its
//! end held back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use tokio::task::JoinHandle;

use super::Bucket;
use super::body::{Form, Progress, body};
use super::failure::Failure;
use super::flow::{BLOCK_BYTES, Flow};
use super::pressure::Place;
use super::retry::SILENCE;
use crate::blob::StagedBlob;
use crate::store::StoreError;

/// How often a request under way is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A client that is slower than this gives its place at the store to others: one that trickles must not hold it.
const SLOW_CLIENT: Duration = Duration::from_secs(2);

pub(super) struct StagedObject {
    bucket: Arc<Bucket>,
    name: String,
    flow: Arc<Flow>,
    block: BytesMut,
    received: u64,
    crc32c: Digest,
    /// The request, once there is something to send.
    request: Option<Request>,
}

/// A request under way; dropped, it is cut, and the store keeps nothing of it.
struct Request(JoinHandle<Result<(), StoreError>>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl StagedObject {
    pub(super) fn new(bucket: Arc<Bucket>, name: String, flow: Flow) -> Self {
        Self {
            bucket,
            name,
            flow: Arc::new(flow),
            block: BytesMut::new(),
            received: 0,
            crc32c: Digest::new(CrcAlgorithm::Crc32Iscsi),
            request: None,
        }
    }

    #[cfg(test)]
    pub(super) fn is_under_way(&self) -> bool {
        self.request.is_some()
    }

    async fn push(&mut self) -> Result<(), StoreError> {
        let block = self.block.split().freeze();
        self.crc32c.update(&block);
        self.flow.push(block).await?;
        if self.request.is_none() && self.flow.must_set_out() {
            self.request = Some(self.begin());
        }
        Ok(())
    }

    fn begin(&self) -> Request {
        let (bucket, name, flow) = (Arc::clone(&self.bucket), self.name.clone(), Arc::clone(&self.flow));
        Request(tokio::spawn(upload(bucket, name, flow)))
    }
}

#[async_trait]
impl StagedBlob for StagedObject {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        self.received += bytes.len() as u64;
        if self.received > self.flow.len() {
            return Err(StoreError::internal(anyhow::anyhow!("more bytes than were announced")));
        }
        while !bytes.is_empty() {
            // Copied, so that what is counted is what is held: a piece may keep a much larger buffer alive.
            self.block.reserve(BLOCK_BYTES - self.block.len());
            let piece = bytes.split_to(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(&piece);
            if self.block.len() == BLOCK_BYTES {
                self.push().await?;
            }
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        if self.received != self.flow.len() {
            return Err(StoreError::internal(anyhow::anyhow!("fewer bytes than were announced")));
        }
        if !self.block.is_empty() {
            self.push().await?;
        }
        self.flow.check()
    }

    async fn publish(mut self: Box<Self>) -> Result<(), StoreError> {
        let crc32c = u32::try_from(self.crc32c.finalize()).map_err(StoreError::internal)?;
        self.flow.release(crc32c);
        let mut request = self.request.take().unwrap_or_else(|| self.begin());
        (&mut request.0).await.map_err(StoreError::unavailable)?
    }
}

impl Drop for StagedObject {
    fn drop(&mut self) {
        self.flow.cut();
    }
}

/// Brings the whole of `flow` to the store, in as many requests as it takes.
async fn upload(bucket: Arc<Bucket>, name: String, flow: Arc<Flow>) -> Result<(), StoreError> {
    let once = |place| put(&bucket, &name, &flow, place);
    // Nobody can read again what was not kept.
    let outcome = bucket.retry.repeat(once, || flow.can_begin_again()).await.map_err(StoreError::from);
    if let Err(error) = &outcome {
        flow.fail(error.clone());
    }
    outcome
}

async fn put(bucket: &Bucket, name: &str, flow: &Arc<Flow>, place: Place) -> Result<(), Failure> {
    let (progress, form) = (Arc::new(Progress::new()), Form::of(flow));
    let request = bucket
        .client
        .put_object()
        .bucket(&bucket.name)
        .key(name)
        .content_type("application/octet-stream")
        .content_length(i64::try_from(form.travelling_len()).map_err(|error| Failure::Refused(error.into()))?)
        .body(body(Arc::clone(flow), form, &progress))
        .customize()
        .interceptor(form)
        .send();
    tokio::select! {
        answer = request => Ok(answer.map(drop)?),
        () = silence(&progress, place) => Err(Failure::silent("the store takes no bytes")),
    }
}

/// Ends when the store has let the request wait for too long.
async fn silence(progress: &Progress, place: Place) {
    let mut place = Some(place);
    while !progress.store_is_silent(SILENCE) {
        if progress.client_is_slow(SLOW_CLIENT) {
            place = None;
        }
        tokio::time::sleep(LOOK).await;
    }
    drop(place);
}
