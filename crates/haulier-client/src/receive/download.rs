//! The chunks of one download: fetched in parallel, opened, written where they belong.

use std::sync::Arc;
use std::time::Duration;

use haulier_format::{ChunkOpener, DownloadToken, Opened, SeedFirst};
use haulier_wire::limit::SEALED_OVERHEAD_BYTES;
use haulier_wire::{ChunkIndex, TransferId};
use tokio::task::JoinSet;

use super::sink::Sink;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, CallError, Retry, Role, Watch, until_final};
use crate::progress::{Event, Progress};
use crate::secret::blocking;
use crate::window::{Buffer, Window};

/// Bytes after which what was written so far is made durable, so that little is left to wait for at the end.
const SYNC_EVERY_BYTES: u64 = 256 << 20;

/// The plaintext of chunk 0 of a SEED transfer, which had to open before anything else could happen.
pub(super) struct First {
    plaintext: Vec<u8>,
}

/// Everything that one download needs, shared by its tasks.
pub(super) struct Download {
    pub(super) api: Api,
    pub(super) retry: Retry,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) window: Window,
    pub(super) token: DownloadToken,
}

impl Download {
    /// Opens chunk 0, which proves that the transfer is one, before anything is shown or written.
    pub(super) async fn open_seed(&self, id: TransferId, seed: SeedFirst) -> Result<(Opened, First), Error> {
        let len = seed.first_sealed_len();
        let mut buffer = self.window.acquire(len).await;
        self.fetch(id, 0, len, &mut buffer).await?;
        blocking(move || {
            let (opened, plaintext) = seed.open_first(buffer.vec()).map_err(|_| did_not_open(0))?;
            Ok((opened, First { plaintext: plaintext.to_vec() }))
        })
        .await
    }

    /// Fetches every chunk into the sink and hands it back full.
    ///
    /// # Errors
    /// The first that occurs; the sink is then gone, and with it what it wrote.
    pub(super) async fn run(
        self: &Arc<Self>,
        opened: Arc<Opened>,
        sink: Sink,
        first: Option<First>,
    ) -> Result<Sink, Error> {
        let sink = Arc::new(sink);
        let outcome = self.fetch_all(&opened, &sink, first).await;
        // A write on the blocking pool cannot be aborted; its end is awaited, so that nothing is left when this returns.
        while Arc::strong_count(&sink) > 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let sink = Arc::into_inner(sink).ok_or(Error::Internal("the target is still in use"));
        match outcome {
            Ok(()) => sink,
            Err(error) => {
                let _ = blocking(move || sink.map(drop)).await;
                Err(error)
            }
        }
    }

    async fn fetch_all(
        self: &Arc<Self>,
        opened: &Arc<Opened>,
        sink: &Arc<Sink>,
        first: Option<First>,
    ) -> Result<(), Error> {
        let layout = opened.layout();
        let skip = u32::from(first.is_some());
        self.progress.on(Event::Started {
            transfer_id: *opened.transfer_id(),
            sealed_bytes: layout.sealed_size(),
            present_bytes: first.as_ref().map_or(0, |first| first.plaintext.len() as u64 + SEALED_OVERHEAD_BYTES),
            total_chunks: layout.total_chunks(),
            files: 1,
        });
        if let Some(First { plaintext }) = first {
            let sink = Arc::clone(sink);
            blocking(move || sink.write_at(&plaintext, 0)).await?;
        }
        let mut tasks = JoinSet::new();
        let mut unsynced = 0_u64;
        for index in skip..layout.total_chunks() {
            let index = ChunkIndex::new(index).ok_or(Error::Internal("no such chunk"))?;
            let len = layout.sealed_len(index).ok_or(Error::Internal("no such chunk"))?;
            let buffer = self.window.acquire(len).await;
            let (download, opened, sink_of_task) = (Arc::clone(self), Arc::clone(opened), Arc::clone(sink));
            tasks.spawn(async move { download.take_chunk(&opened, &sink_of_task, index, buffer).await });
            unsynced += len;
            if unsynced >= SYNC_EVERY_BYTES {
                unsynced = 0;
                let sink = Arc::clone(sink);
                tasks.spawn(async move { blocking(move || sink.sync_some()).await });
            }
            while let Some(done) = tasks.try_join_next() {
                finished(done)?;
            }
        }
        while let Some(done) = tasks.join_next().await {
            finished(done)?;
        }
        self.progress.on(Event::Finishing);
        Ok(())
    }

    /// Fetches one chunk, opens it, writes it. A chunk that does not open is fetched once more: the way may have damaged it.
    async fn take_chunk(
        &self,
        opened: &Arc<Opened>,
        sink: &Arc<Sink>,
        index: ChunkIndex,
        mut buffer: Buffer,
    ) -> Result<(), Error> {
        self.progress.on(Event::ChunkStarted);
        let layout = *opened.layout();
        let len = layout.sealed_len(index).ok_or(Error::Internal("no such chunk"))?;
        for _ in 0..2 {
            self.fetch(*opened.transfer_id(), index.get(), len, &mut buffer).await?;
            let (opened, sink) = (Arc::clone(opened), Arc::clone(sink));
            let offset = layout.plaintext_offset(index);
            let (returned, written) =
                blocking(move || Ok(open_and_write(opened.opener(), &sink, index, offset, buffer))).await?;
            match written {
                Some(outcome) => {
                    self.progress.on(Event::ChunkDone);
                    return outcome;
                }
                None => buffer = returned,
            }
            self.progress.on(Event::TakenBack(len));
        }
        Err(did_not_open(index.get()))
    }

    async fn fetch(&self, id: TransferId, index: u32, len: u64, buffer: &mut Buffer) -> Result<(), Error> {
        let answer = until_final!(self.retry, async {
            buffer.vec().clear();
            let lane = self.window.lane().await;
            let watch = Watch::new(Arc::clone(&self.progress));
            let answer = self.api.get_chunk(id, index, self.token.as_str(), (len, buffer.vec()), &watch).await;
            match &answer {
                Ok(()) => {
                    watch.succeeded();
                    lane.delivered();
                }
                Err(CallError::Again { .. }) => lane.broken(),
                Err(_) => {}
            }
            answer
        });
        answer.map_err(|error| error.into_error(self.api.server().base(), Role::Download))
    }
}

/// Opens in place and writes; `None` when it does not open. Blocks. Hands the buffer back for another try.
fn open_and_write(
    opener: &ChunkOpener,
    sink: &Sink,
    index: ChunkIndex,
    offset: u64,
    mut buffer: Buffer,
) -> (Buffer, Option<Result<(), Error>>) {
    let written = opener.open_in_place(index, buffer.vec()).ok().map(|plaintext| sink.write_at(plaintext, offset));
    (buffer, written)
}

fn finished(done: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    done.unwrap_or(Err(Error::Internal("a chunk's task ended early")))
}

fn did_not_open(index: u32) -> Error {
    IntegrityError::Chunk { index }.into()
}
