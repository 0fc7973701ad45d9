//! A blob, or a part of one, on its way in: gathered into blocks, and sent when it is published; what cannot be kept
//! travels meanwhile, its end held back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use tokio::task::JoinHandle;
use tokio::time::Instant;

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
/// A body that failed sooner is sent again: half of what clients wait for their answer, so that two tries fit.
const REPEATED_WITHIN: Duration = Duration::from_secs(45);
/// A client that is slower than this gives its place at the store to others: one that trickles must not hold it.
const SLOW_CLIENT: Duration = Duration::from_secs(2);

/// What a body becomes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// An object.
    Object,
    /// A part of one.
    Part {
        /// Names the multipart upload.
        upload_id: String,
        /// From 1 on.
        number: i32,
    },
}

pub(super) struct StagedObject {
    bucket: Arc<Bucket>,
    name: String,
    /// While it is not known nothing travels.
    target: Option<Target>,
    flow: Arc<Flow>,
    block: BytesMut,
    received: u64,
    crc32c: Digest,
    /// The request, once there is something to send.
    request: Option<Request>,
    is_released: bool,
}

/// A request under way; dropped, it is cut, and the store keeps nothing of it.
struct Request(JoinHandle<Result<Option<String>, StoreError>>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body whose last byte is there and may travel; dropped, it is cut.
pub(super) struct Sending {
    request: Request,
    /// Of all of it.
    pub(super) crc32c: u32,
}

impl Sending {
    /// Waits for the store's answer: the ETag, if there is one.
    pub(super) async fn sent(&mut self) -> Result<Option<String>, StoreError> {
        (&mut self.request.0).await.map_err(StoreError::unavailable)?
    }

    /// Cuts it and waits until nothing of it travels any more.
    pub(super) async fn cut(mut self) {
        self.request.0.abort();
        let _ = (&mut self.request.0).await;
    }
}

impl StagedObject {
    pub(super) fn new(bucket: Arc<Bucket>, name: String, target: Option<Target>, flow: Flow) -> Self {
        Self {
            bucket,
            name,
            target,
            flow: Arc::new(flow),
            block: BytesMut::new(),
            received: 0,
            crc32c: Digest::new(CrcAlgorithm::Crc32Iscsi),
            request: None,
            is_released: false,
        }
    }

    #[cfg(test)]
    pub(super) fn is_under_way(&self) -> bool {
        self.request.is_some()
    }

    /// Says what becomes of the body, before its end.
    pub(super) fn set_target(&mut self, target: Target) {
        self.target = Some(target);
    }

    /// Nothing follows: what has come is all of it. Only while nothing has travelled.
    pub(super) fn end_here(&mut self) {
        self.flow.shorten(self.received);
    }

    async fn push(&mut self) -> Result<(), StoreError> {
        let block = self.block.split().freeze();
        self.crc32c.update(&block);
        self.flow.push(block).await?;
        if self.request.is_none() && self.flow.must_set_out() {
            self.request = self.begin();
        }
        Ok(())
    }

    fn begin(&self) -> Option<Request> {
        let target = self.target.clone()?;
        let (bucket, name, flow) = (Arc::clone(&self.bucket), self.name.clone(), Arc::clone(&self.flow));
        Some(Request(tokio::spawn(upload(bucket, name, target, flow))))
    }

    /// Lets the end go. Only the request holds the bytes from now on, and their memory with them.
    pub(super) fn send(mut self) -> Result<Sending, StoreError> {
        let crc32c = u32::try_from(self.crc32c.finalize()).map_err(StoreError::internal)?;
        self.flow.release(crc32c);
        self.is_released = true;
        let request = self.request.take().or_else(|| self.begin());
        let request = request.ok_or_else(|| StoreError::internal(anyhow::anyhow!("a body that goes nowhere")))?;
        Ok(Sending { request, crc32c })
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

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        let mut sending = self.send()?;
        sending.sent().await.map(drop)
    }
}

impl Drop for StagedObject {
    fn drop(&mut self) {
        if !self.is_released {
            self.flow.cut();
        }
    }
}

/// Brings the whole of `flow` to the store, in as many requests as it takes.
async fn upload(
    bucket: Arc<Bucket>,
    name: String,
    target: Target,
    flow: Arc<Flow>,
) -> Result<Option<String>, StoreError> {
    let once = |place| put(&bucket, &name, &target, &flow, place);
    // Nobody can read again what was not kept, and nobody waits for what has taken so long already.
    let begun = Instant::now();
    let can_repeat = || flow.can_begin_again() && begun.elapsed() < REPEATED_WITHIN;
    let outcome = match bucket.retry.repeat(once, can_repeat).await {
        Err(Failure::Absent) if matches!(target, Target::Part { .. }) => {
            Err(StoreError::unavailable(anyhow::anyhow!("the multipart upload was ended meanwhile")))
        }
        outcome => outcome.map_err(StoreError::from),
    };
    if let Err(error) = &outcome {
        flow.fail(error.clone());
    }
    outcome
}

async fn put(
    bucket: &Bucket,
    name: &str,
    target: &Target,
    flow: &Arc<Flow>,
    place: Place,
) -> Result<Option<String>, Failure> {
    let (progress, form) = (Arc::new(Progress::new()), Form::of(flow));
    let len = i64::try_from(form.travelling_len()).map_err(|error| Failure::Refused(error.into()))?;
    let body = body(Arc::clone(flow), form, &progress);
    let request = async {
        match target {
            Target::Object => {
                let request = bucket.client.put_object().bucket(&bucket.name).key(name).content_length(len).body(body);
                let request = request.content_type("application/octet-stream").customize().interceptor(form);
                Ok(request.send().await?.e_tag)
            }
            Target::Part { upload_id, number } => {
                let request = bucket.client.upload_part().bucket(&bucket.name).key(name).content_length(len).body(body);
                let request = request.upload_id(upload_id).part_number(*number).customize().interceptor(form);
                Ok(request.send().await?.e_tag)
            }
        }
    };
    tokio::select! {
        answer = request => answer,
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
