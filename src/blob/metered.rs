//! A blob store that is measured: every call goes through to the one inside, which knows nothing of it.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{self, BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, Stream, StreamExt as _};
use haulier_wire::{Timestamp, TransferId};

use super::{BlobKey, BlobStore, ByteStream, Content, Expected, Listed, StagedBlob};
use crate::store::{BufferUse, StoreError};
use crate::telemetry::metrics::{BlobMetrics, StepMetrics};

/// Measures the blob store inside.
#[derive(Debug)]
pub struct MeteredBlobs {
    inner: Arc<dyn BlobStore>,
    steps: StepMetrics,
}

impl MeteredBlobs {
    /// Measures `inner` from now on.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, metrics: &BlobMetrics) -> Self {
        Self { inner, steps: metrics.steps.clone() }
    }
}

#[async_trait]
impl BlobStore for MeteredBlobs {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        let inner = self.steps.measure("stage", self.inner.stage(key, expected)).await?;
        Ok(Box::new(MeteredStaged { inner, steps: self.steps.clone(), waited: Duration::ZERO }))
    }

    fn most_unannounced(&self) -> u64 {
        self.inner.most_unannounced()
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.steps.measure("put", self.inner.put(key, bytes)).await
    }

    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        self.steps.measure("len", self.inner.len(key)).await
    }

    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        let begun = Instant::now();
        let content = self.steps.measure("open", self.inner.read(key, range)).await?;
        Ok(content.map(|content| match content {
            Content::Stream(inner) => {
                Content::Stream(MeteredStream { inner, steps: self.steps.clone(), begun: Some(begun) }.boxed())
            }
            // Opened is all that it can be: nothing of it passes through here.
            Content::File(part) => Content::File(part),
        }))
    }

    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        self.steps.measure("remove", self.inner.remove(key)).await
    }

    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        self.steps.measure("remove_transfer", self.inner.remove_transfer(id)).await
    }

    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.steps.measure("remove_abandoned", self.inner.remove_abandoned(before)).await
    }

    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        self.inner.transfers()
    }

    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        self.inner.blobs_of(id)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.steps.measure("probe", self.inner.probe()).await
    }

    fn buffer(&self) -> BufferUse {
        self.inner.buffer()
    }
}

struct MeteredStaged {
    inner: Box<dyn StagedBlob>,
    steps: StepMetrics,
    /// For the store, over all writes.
    waited: Duration,
}

#[async_trait]
impl StagedBlob for MeteredStaged {
    /// Most pieces are taken at once: those cost one look and no allocation.
    fn write<'s, 'f>(&'s mut self, bytes: Bytes) -> BoxFuture<'f, Result<(), StoreError>>
    where
        's: 'f,
        Self: 'f,
    {
        let Self { inner, steps, waited } = self;
        let mut writing = inner.write(bytes);
        match (&mut writing).now_or_never() {
            // A future without fields needs no memory.
            Some(Ok(())) => Box::pin(Taken),
            Some(Err(error)) => {
                steps.failed(&error);
                Box::pin(future::ready(Err(error)))
            }
            None => Box::pin(async move {
                let begun = Instant::now();
                let result = writing.await;
                *waited += begun.elapsed();
                result.inspect_err(|error| steps.failed(error))
            }),
        }
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.steps.took("write", self.waited);
        self.steps.measure("finish", self.inner.finish()).await
    }

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        self.steps.measure("publish", self.inner.publish()).await
    }
}

/// Bytes that were taken without waiting.
struct Taken;

impl Future for Taken {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

/// A blob on its way out, timed until its first byte.
struct MeteredStream {
    inner: ByteStream,
    steps: StepMetrics,
    /// When it was asked for; `None` once the first byte came.
    begun: Option<Instant>,
}

impl Stream for MeteredStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.inner.poll_next_unpin(context));
        match &piece {
            Some(Ok(_)) => {
                if let Some(begun) = self.begun.take() {
                    self.steps.took("first_byte", begun.elapsed());
                }
            }
            Some(Err(error)) => self.steps.failed(&StoreError::from(io::Error::from(error.kind()))),
            None => {}
        }
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests;
