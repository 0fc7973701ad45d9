//! The bytes of chunks that may be in memory at once, and the buffers that hold them.
//!
//! A buffer and its share of the window are one value: the share is free again when the last reference to the bytes is
//! gone, also when that reference is inside the HTTP stack. Buffers are used again, since fresh pages for every chunk
//! cost more than sealing it.

mod lanes;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use lanes::Lanes;

pub(crate) use lanes::Lane;

/// Bytes of chunks in memory at most: 128 MiB.
pub const WINDOW_BYTES: u64 = 128 << 20;

const UNIT_BYTES: u64 = 1 << 10;

/// Hands out buffers for chunks while fewer than a fixed number of bytes and chunks are in use.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    bytes: Arc<Semaphore>,
    chunks: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    units: u32,
    lanes: Lanes,
}

/// Most chunks under way at once: each is a connection.
const MAX_PARALLEL: usize = 1_024;

impl Window {
    /// A window of `bytes` bytes and `parallel` chunks, whichever is reached first; each at least one chunk wide.
    pub(crate) fn new(bytes: u64, parallel: usize) -> Self {
        let units = u32::try_from((bytes / UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let parallel = parallel.clamp(1, MAX_PARALLEL);
        Self {
            bytes: Arc::new(Semaphore::new(permits)),
            chunks: Arc::new(Semaphore::new(parallel)),
            idle: Arc::default(),
            units,
            lanes: Lanes::new(parallel),
        }
    }

    /// Waits for the right to have one more connection busy, for one try of one chunk.
    ///
    /// At most `parallel` at once, and fewer where connections break: eight uploads that share a poor link may none of
    /// them end before it is cut, and one alone may. Say how the try ended with [`Lane::delivered`] or [`Lane::broken`];
    /// a lane that is just dropped says nothing.
    pub(crate) async fn lane(&self) -> Lane {
        self.lanes.enter().await
    }

    /// Waits for room and returns a buffer with a capacity of at least `len` bytes; what an earlier chunk left is in it.
    ///
    /// Counted in whole KiB, rounded down (but never to none): so two chunks of 64 MiB, each 28 bytes longer when sealed, fill 128 MiB.
    pub(crate) async fn acquire(&self, len: u64) -> Buffer {
        let units = u32::try_from(len / UNIT_BYTES).unwrap_or(u32::MAX).clamp(1, self.units);
        let chunk = Arc::clone(&self.chunks).acquire_owned().await.ok();
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(units).await.ok();
        let mut vec = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        // A smaller buffer than needed is given up rather than grown: growing would copy, and keep both for a moment.
        if vec.capacity() < len {
            vec = Vec::with_capacity(len);
        }
        Buffer { vec, idle: Arc::clone(&self.idle), _share: (bytes, chunk) }
    }
}

/// One chunk's bytes, with their share of the window.
#[derive(Debug)]
pub(crate) struct Buffer {
    vec: Vec<u8>,
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    _share: (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>),
}

impl Buffer {
    /// The bytes, to be filled.
    pub(crate) fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.vec
    }

    /// Shares the bytes without copying them; the share of the window goes with the last clone.
    pub(crate) fn into_bytes(self) -> bytes::Bytes {
        bytes::Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.vec
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Not cleared: growing a cleared buffer again would write zeros over bytes that are about to be read or sealed.
        let vec = std::mem::take(&mut self.vec);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(vec);
    }
}

#[cfg(test)]
mod tests;
