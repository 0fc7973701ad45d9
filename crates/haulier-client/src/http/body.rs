//! A chunk as a request body: cut into slices without copying, so that progress shows and a stall is noticed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use crate::progress::{Event, Progress};

const SLICE_BYTES: usize = 256 << 10;

/// Counts the bytes of one chunk on its way and notices when they stop. What was counted is taken back unless it
/// succeeds.
#[derive(Clone)]
pub(crate) struct Watch {
    inner: Arc<Inner>,
}

struct Inner {
    progress: Arc<dyn Progress>,
    moved: AtomicU64,
    succeeded: AtomicBool,
    last: Mutex<Instant>,
}

impl Watch {
    pub(crate) fn new(progress: Arc<dyn Progress>) -> Self {
        let inner = Inner {
            progress,
            moved: AtomicU64::new(0),
            succeeded: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Notes that bytes moved.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.inner.moved.fetch_add(bytes, Ordering::Relaxed);
        *self.inner.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.inner.progress.on(Event::Moved(bytes));
    }

    /// Notes bytes that an earlier run brought: they count like those that moved, but for the speed.
    pub(crate) fn had(&self, bytes: u64) {
        self.inner.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that bytes which were counted as there are not.
    pub(crate) fn lost(&self, bytes: u64) {
        if bytes > 0 {
            self.inner.progress.on(Event::TakenBack(bytes));
        }
    }

    /// Bytes that moved so far.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.inner.moved.load(Ordering::Relaxed)
    }

    /// Notes that everything has to travel again.
    pub(crate) fn restarted(&self) {
        let moved = self.inner.moved.swap(0, Ordering::Relaxed);
        if moved > 0 {
            self.inner.progress.on(Event::TakenBack(moved));
        }
    }

    /// Notes that the bytes arrived and need not travel again.
    pub(crate) fn succeeded(&self) {
        self.inner.succeeded.store(true, Ordering::Relaxed);
    }

    /// Returns once nothing has moved for `limit`.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            let deadline = *self.inner.last.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let moved = self.moved.load(Ordering::Relaxed);
        if moved > 0 && !self.succeeded.load(Ordering::Relaxed) {
            self.progress.on(Event::TakenBack(moved));
        }
    }
}

/// The body of one PUT.
pub(crate) struct ChunkBody {
    rest: Bytes,
    watch: Watch,
}

impl ChunkBody {
    pub(crate) fn new(chunk: Bytes, watch: Watch) -> Self {
        Self { rest: chunk, watch }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.rest.len().min(SLICE_BYTES);
        let slice = self.rest.split_to(len);
        self.watch.moved(len);
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
