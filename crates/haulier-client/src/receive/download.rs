//! The chunks of one get that goes to disk: those that are there are checked, the others fetched in parallel.

use std::collections::BTreeSet;
use std::sync::Arc;

use haulier_format::Opened;
use haulier_wire::ChunkIndex;
use tokio::task::{JoinError, JoinSet};

use super::fetch::{Fetch, First};
use super::kept::Kept;
use super::selection::Piece;
use crate::error::Error;
use crate::progress::{Event, Notice, Progress, Work};
use crate::secret::blocking;
use crate::tally::Tally;

/// Bytes after which what was written so far is made durable, so that little is left to wait for at the end.
const SYNC_EVERY_BYTES: u64 = 64 << 20;
/// Chunks that are read and checked at once.
const CHECKED_AT_ONCE: usize = 4;

/// One get that goes to disk.
pub(super) struct Download {
    pub(super) fetch: Arc<Fetch>,
    pub(super) opened: Arc<Opened>,
    pub(super) kept: Arc<Kept>,
    pub(super) progress: Arc<dyn Progress>,
}

impl Download {
    /// Brings every chunk that is not there; returns whether an earlier run had brought some.
    ///
    /// # Errors
    /// The first that occurs.
    pub(super) async fn run(&self, resume: bool, first: Option<First>) -> Result<bool, Error> {
        let mut present = if resume { self.check().await? } else { BTreeSet::new() };
        let resumed = resume && self.kept.holds_some();
        if resumed {
            self.progress.on(Event::Notice(Notice::Resuming));
        }
        if let Some(First { plaintext }) = first {
            let kept = Arc::clone(&self.kept);
            blocking(move || kept.take(ChunkIndex::MIN, &plaintext)).await?;
            present.insert(0);
        }
        let tally = Arc::new(self.tell_start(&present));
        self.fetch_missing(&present, &tally).await?;
        self.progress.on(Event::Finishing);
        Ok(resumed)
    }

    /// Reads what an earlier run brought, and finds the chunks that are as it left them.
    async fn check(&self) -> Result<BTreeSet<u32>, Error> {
        let kept = Arc::clone(&self.kept);
        let mut noted = blocking(move || kept.noted()).await?.into_iter();
        let mut present = BTreeSet::new();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < CHECKED_AT_ONCE
                && let Some((index, slot)) = noted.next()
            {
                let (kept, opened, progress) =
                    (Arc::clone(&self.kept), Arc::clone(&self.opened), Arc::clone(&self.progress));
                tasks.spawn_blocking(move || {
                    let holds = kept.still_holds(index, &slot);
                    progress.on(Event::Prepared { work: Work::Checking, bytes: Fetch::sealed_bytes(&opened, index) });
                    holds.then_some(index)
                });
            }
            match tasks.join_next().await {
                Some(checked) => present.extend(checked.map_err(ended_early)?),
                None => break,
            }
        }
        // A run that was killed between taking a chunk and forgetting its beginning left a place that nobody needs.
        let (kept, taken) = (Arc::clone(&self.kept), present.clone());
        blocking(move || {
            taken.iter().for_each(|index| kept.spot(*index).clear());
            Ok(())
        })
        .await?;
        Ok(present)
    }

    fn tell_start(&self, present: &BTreeSet<u32>) -> Tally {
        let (opened, pieces) = (&self.opened, self.kept.pieces());
        let wanted = || self.kept.chunks().iter().cloned().flatten();
        self.progress.on(Event::Started {
            transfer_id: *opened.transfer_id(),
            sealed_bytes: wanted().map(|index| Fetch::sealed_bytes(opened, index)).sum(),
            present_bytes: present.iter().map(|index| Fetch::sealed_bytes(opened, *index)).sum::<u64>()
                + wanted()
                    .filter(|index| !present.contains(index))
                    .map(|index| self.kept.spot(index).bytes())
                    .sum::<u64>(),
            total_chunks: u32::try_from(wanted().count()).unwrap_or(u32::MAX),
            files: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
        });
        let spans = pieces.iter().map(Piece::span);
        let tally = Tally::new(spans, opened.layout(), Arc::clone(&self.progress));
        present.iter().for_each(|index| tally.arrived(*index));
        tally
    }

    async fn fetch_missing(&self, present: &BTreeSet<u32>, tally: &Arc<Tally>) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        let mut unsynced = 0_u64;
        let wanted = self.kept.chunks().iter().cloned().flatten();
        for index in wanted.filter(|index| !present.contains(index)) {
            let index = ChunkIndex::new(index).ok_or(Error::Internal("no such chunk"))?;
            let len = Fetch::sealed_bytes(&self.opened, index.get());
            let buffer = self.fetch.window.acquire(len).await;
            let (fetch, opened, kept, tally) =
                (Arc::clone(&self.fetch), Arc::clone(&self.opened), Arc::clone(&self.kept), Arc::clone(tally));
            tasks.spawn(async move {
                let spot = kept.spot(index.get());
                fetch.chunk(&opened, index, buffer, Some(spot), move |plaintext| kept.take(index, plaintext)).await?;
                tally.arrived(index.get());
                Ok(())
            });
            unsynced += len;
            if unsynced >= SYNC_EVERY_BYTES {
                unsynced = 0;
                let kept = Arc::clone(&self.kept);
                tasks.spawn(async move { blocking(move || kept.sync_some()).await });
            }
            while let Some(done) = tasks.try_join_next() {
                done.map_err(ended_early)??;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(ended_early)??;
        }
        Ok(())
    }
}

fn ended_early(_: JoinError) -> Error {
    Error::Internal("a chunk's task ended early")
}
