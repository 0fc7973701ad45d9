//! Bytes between a client that sends them and a request that takes them on to the store.
//!
//! A flow that keeps its blocks is read when it is whole and released, and can be read again from the beginning. Another
//! one holds only a few at a time, so that a slow store slows the client down and never fills memory. Its last two blocks
//! are held back until they are released: a store that has not seen the end of a body keeps nothing of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::store::StoreError;

/// Bytes of every block but the last.
pub(super) const BLOCK_BYTES: usize = 64 << 10;
/// Blocks that wait for their release: at least one whole block, whatever the length of the last.
const HELD_BACK: usize = 2;
/// Blocks that a flow which does not keep them holds, beside those held back.
const MOST_WAITING: usize = 4;

/// One body on its way.
#[derive(Debug)]
pub(super) struct Flow {
    len: AtomicU64,
    /// The share of the memory budget that lets the flow keep its blocks.
    keeping: Keeping,
    state: Mutex<State>,
    /// A block came, the end was released, or it is over: for the reader.
    arrived: Notify,
    /// A block was taken, or it is over: for the writer.
    taken: Notify,
}

/// Whether blocks stay after they were taken.
#[derive(Debug)]
pub(super) enum Keeping {
    /// They do: a body so small that it needs no share of the budget.
    Small,
    /// They do, and this is their share of the budget.
    Budgeted(#[expect(dead_code, reason = "held until the flow ends")] OwnedSemaphorePermit),
    /// They do not.
    No,
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<Bytes>,
    /// How many blocks before these were taken and not kept.
    gone: usize,
    /// The checksum of all bytes, which lets the end go.
    released: Option<u32>,
    failed: Option<StoreError>,
    /// The writer is gone: whoever still reads must not reach the end.
    is_cut: bool,
}

/// What a reader gets next.
#[derive(Debug)]
pub(super) enum Next {
    /// One block.
    Block(Bytes),
    /// Nothing more: the CRC-32C of all of it.
    End(u32),
    /// The rest will not come.
    Cut,
}

impl Flow {
    pub(super) fn new(len: u64, keeping: Keeping) -> Self {
        Self {
            len: AtomicU64::new(len),
            keeping,
            state: Mutex::default(),
            arrived: Notify::new(),
            taken: Notify::new(),
        }
    }

    /// All bytes of the body.
    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// The body ends sooner than was thought. Only before a reader has begun.
    pub(super) fn shorten(&self, len: u64) {
        self.len.store(len, Ordering::Relaxed);
    }

    /// Whether the first block can still be read.
    pub(super) fn can_begin_again(&self) -> bool {
        self.state().gone == 0
    }

    /// Whether bytes must leave before all of them have come, because nobody keeps them.
    pub(super) fn must_set_out(&self) -> bool {
        !self.keeps() && self.state().blocks.len() > MOST_WAITING
    }

    /// The CRC-32C, if all bytes are there and may go.
    pub(super) fn whole(&self) -> Option<u32> {
        let state = self.state();
        state.released.filter(|_| state.gone == 0 && self.keeps())
    }

    /// Hands over a block; waits while too many wait already, and fails once the reader has given up.
    pub(super) async fn push(&self, block: Bytes) -> Result<(), StoreError> {
        loop {
            let taken = self.taken.notified();
            {
                let mut state = self.state();
                if let Some(error) = &state.failed {
                    return Err(error.clone());
                }
                if self.keeps() || state.blocks.len() < MOST_WAITING + HELD_BACK {
                    state.blocks.push_back(block);
                    break;
                }
            }
            taken.await;
        }
        self.arrived.notify_waiters();
        Ok(())
    }

    /// Fails if the reader has given up.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.state().failed.clone().map_or(Ok(()), Err)
    }

    /// Lets the end go; `crc32c` is of all bytes.
    pub(super) fn release(&self, crc32c: u32) {
        self.state().released = Some(crc32c);
        self.arrived.notify_waiters();
    }

    /// Tells the writer that nobody reads any more.
    pub(super) fn fail(&self, error: StoreError) {
        self.state().failed = Some(error);
        self.taken.notify_waiters();
    }

    /// Nothing more will come, and nothing will be taken.
    pub(super) fn cut(&self) {
        self.state().is_cut = true;
        self.arrived.notify_waiters();
    }

    /// Waits for block `number`, or for the end, while the reader `goes_on`; it asks for one after the other.
    pub(super) async fn next(&self, number: usize, goes_on: impl Fn() -> bool) -> Next {
        loop {
            let arrived = self.arrived.notified();
            if !goes_on() {
                return Next::Cut;
            }
            if let Some(next) = self.take(number) {
                return next;
            }
            arrived.await;
        }
    }

    fn take(&self, number: usize) -> Option<Next> {
        let mut state = self.state();
        // Another reader took it, one that was given up: without it the body cannot be whole.
        let (false, Some(place)) = (state.is_cut, number.checked_sub(state.gone)) else { return Some(Next::Cut) };
        let behind = state.blocks.len() - place;
        match state.released {
            Some(crc32c) if behind == 0 => return Some(Next::End(crc32c)),
            None if behind <= HELD_BACK => return None,
            _ => {}
        }
        if self.keeps() {
            return state.blocks.get(place).cloned().map(Next::Block);
        }
        // Asked for in order: it is the first.
        let block = state.blocks.pop_front();
        state.gone += 1;
        self.taken.notify_waiters();
        block.map(Next::Block)
    }

    fn keeps(&self) -> bool {
        !matches!(self.keeping, Keeping::No)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
