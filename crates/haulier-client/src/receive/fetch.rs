//! One chunk: fetched until it is whole, opened, handed on.

use std::sync::Arc;

use bytes::Bytes;
use haulier_format::{DownloadToken, Opened, SeedFirst};
use haulier_wire::limit::SEALED_OVERHEAD_BYTES;
use haulier_wire::problem::ProblemType;
use haulier_wire::{ChunkIndex, TransferId};

use super::arriving::Spot;
use super::lease::Lease;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, Arrival, CallError, Retry, Role, Watch};
use crate::progress::{Event, Progress};
use crate::secret::blocking;
use crate::window::{Buffer, Window};

/// Bytes before the plaintext in an opened chunk: its iv.
pub(super) const IV_BYTES: usize = 12;

/// How often a lease is taken for one chunk: more often than that, there is something else.
const LEASES_OF_A_CHUNK: u32 = 3;

/// Everything that one get needs of the network, shared by its tasks.
pub(super) struct Fetch {
    pub(super) api: Api,
    pub(super) retry: Retry,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) window: Window,
    pub(super) id: TransferId,
    pub(super) token: DownloadToken,
    pub(super) lease: Lease,
}

/// The plaintext of chunk 0 of a SEED transfer, which had to open before anything else could happen.
pub(super) struct First {
    pub(super) plaintext: Bytes,
}

impl Fetch {
    /// Opens chunk 0, which proves that the transfer is one, before anything is shown or written.
    pub(super) async fn open_seed(&self, id: TransferId, seed: SeedFirst) -> Result<(Opened, First), Error> {
        let len = seed.first_sealed_len();
        let mut buffer = self.window.acquire(len).await;
        self.sealed((id, 0), len, &mut buffer, None).await.map_err(|error| self.error(error))?;
        blocking(move || {
            let (opened, plaintext) = seed.open_first(buffer.vec()).map_err(|_| did_not_open(0))?;
            let len = plaintext.len();
            Ok((opened, First { plaintext: buffer.into_bytes().slice(IV_BYTES..IV_BYTES + len) }))
        })
        .await
    }

    /// Fetches one chunk, opens it in place and shows its plaintext to `use_plaintext`; hands the buffer back.
    ///
    /// A chunk that does not open, or has another length, is fetched once more, whole: the way may have damaged it. One
    /// that began with what an earlier run left at its `spot` has two more tries, as the disk may have damaged that.
    pub(super) async fn chunk<F>(
        &self,
        opened: &Arc<Opened>,
        index: ChunkIndex,
        mut buffer: Buffer,
        spot: Option<Spot>,
        use_plaintext: F,
    ) -> Result<Buffer, Error>
    where
        F: Fn(&[u8]) -> Result<(), Error> + Clone + Send + 'static,
    {
        self.progress.on(Event::ChunkStarted);
        let len = opened.layout().sealed_len(index).ok_or(Error::Internal("no such chunk"))?;
        let tries = if spot.as_ref().is_some_and(|spot| spot.bytes() > 0) { 3 } else { 2 };
        for left in (0..tries).rev() {
            match self.sealed((*opened.transfer_id(), index.get()), len, &mut buffer, spot.as_ref()).await {
                Err(CallError::Broken(_)) if left > 0 => {
                    clear(spot.clone()).await?;
                    continue;
                }
                sealed => sealed.map_err(|error| self.error(error))?,
            }
            let (opened, use_plaintext) = (Arc::clone(opened), use_plaintext.clone());
            let (returned, used) = blocking(move || {
                let used =
                    opened.opener().open_in_place(index, buffer.vec()).ok().map(|plaintext| use_plaintext(plaintext));
                Ok((buffer, used))
            })
            .await?;
            buffer = returned;
            clear(spot.clone()).await?;
            if let Some(used) = used {
                self.progress.on(Event::ChunkDone);
                return used.map(|()| buffer);
            }
            self.progress.on(Event::TakenBack(len));
        }
        Err(did_not_open(index.get()))
    }

    /// Fetches one sealed chunk. Each try has a lane of its own, and goes on where the one before broke off.
    async fn sealed(
        &self,
        (id, index): (TransferId, u32),
        len: u64,
        buffer: &mut Buffer,
        spot: Option<&Spot>,
    ) -> Result<(), CallError> {
        let watch = Watch::new(Arc::clone(&self.progress));
        let mut arrival = match spot {
            Some(spot) => spot.arrival(buffer.vec(), len, &watch).await,
            None => Arrival::new(buffer.vec(), len),
        };
        if arrival.is_whole() {
            watch.succeeded();
            return Ok(());
        }
        let mut tries = self.retry.tries();
        let mut leases = LEASES_OF_A_CHUNK;
        loop {
            let before = arrival.most();
            let lane = self.window.lane().await;
            let place = self.lease.token();
            let tokens = (self.token.as_str(), place.as_deref().map(String::as_str));
            let answer = self.api.get_chunk((id, index), tokens, &mut arrival, &watch).await;
            match &answer {
                Ok(()) => {
                    watch.succeeded();
                    lane.delivered();
                }
                Err(CallError::Again { .. }) => lane.broken(),
                Err(_) => drop(lane),
            }
            if leases > 0 && answer.as_ref().is_err_and(|error| self.needs_lease(error, place.as_deref())) {
                leases -= 1;
                self.lease.take(&self.api, &self.retry, (id, self.token.as_str())).await?;
                continue;
            }
            if answer.is_err() && arrival.most() > before {
                tries.progressed();
            }
            if let Some(answer) = tries.judge(answer).await {
                return answer;
            }
        }
    }

    /// Ends the lease, if there is one: with a word when all of it is there.
    pub(super) async fn end_lease(&self, is_done: bool) {
        let reader = (self.id, self.token.as_str());
        if is_done {
            self.lease.commit(&self.api, &self.retry, reader).await;
        } else {
            self.lease.end(&self.api, reader).await;
        }
    }

    /// Whether the transfer has a limit by now, the lease has ended while nothing moved, or another is to take its place.
    fn needs_lease(&self, error: &CallError, used: Option<&String>) -> bool {
        match error.problem() {
            Some(ProblemType::LeaseRequired | ProblemType::LeaseEnded) => true,
            Some(ProblemType::LeaseUsedUp) => used.is_some_and(|used| self.lease.renew(used)),
            _ => false,
        }
    }

    fn error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Download)
    }

    /// Sealed bytes of a chunk, for counting.
    pub(super) fn sealed_bytes(opened: &Opened, index: u32) -> u64 {
        ChunkIndex::new(index).and_then(|index| opened.layout().sealed_len(index)).unwrap_or(SEALED_OVERHEAD_BYTES)
    }
}

/// Empties the place of a chunk's beginning, if there is one.
async fn clear(spot: Option<Spot>) -> Result<(), Error> {
    match spot {
        Some(spot) if spot.bytes() > 0 => {
            let clear = move || {
                spot.clear();
                Ok(())
            };
            blocking(clear).await
        }
        _ => Ok(()),
    }
}

fn did_not_open(index: u32) -> Error {
    IntegrityError::Chunk { index }.into()
}
