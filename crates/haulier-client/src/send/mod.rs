//! Sending: files become sealed chunks on the server, and a link.
//!
//! Each byte is read once. Keys, create request and tags stand in the local state before anything that was sealed leaves
//! the process, so the same request continues an upload that was cut off (docs/FORMAT.md, "Sealed once").

mod begin;
mod input;
mod legacy;
mod options;
mod plan;
mod upload;

use std::sync::Arc;

use haulier_wire::api::{CompleteResponse, ServerConfig};
use haulier_wire::limit::SMALL_CHUNK_SIZE_BYTES;
use haulier_wire::problem::ProblemType;
use haulier_wire::{ByteLen, Timestamp, TransferId};
use zeroize::Zeroizing;

use crate::ambient::Ambient;
use crate::error::{Error, InputProblem, IntegrityError};
use crate::http::{Api, CallError, Retry, Role, until_final};
use crate::progress::{Event, Notice, Progress};
use crate::resume::{SentAs, SentRecord, Store, Upload};
use crate::secret::blocking;
use crate::window::Window;

pub use input::Stream;
pub use legacy::{SentLegacy, send_legacy};
pub use options::{OnLink, SendOptions, Source};

use input::Input;
use upload::Breaks;

/// Times that one send starts a new transfer before it gives up.
const MAX_RESTARTS: u32 = 3;
/// Times that complete may find chunks missing that the server had acknowledged.
const MAX_REPAIRS: u32 = 3;

/// A transfer that is complete.
///
/// Its local state goes when this is dropped, so show the link before: whoever is killed in between gets the same link
/// from the same command once more, and not a second transfer.
#[derive(Clone)]
pub struct Sent {
    /// The transfer.
    pub transfer_id: TransferId,
    /// What opens it: a secret, unless the mode is passphrase alone.
    pub link: Zeroizing<String>,
    /// The name that the receiver sees.
    pub name: String,
    /// When the transfer ends.
    pub expires_at: Timestamp,
    /// Bytes of plaintext.
    pub file_size: u64,
    /// Bytes of plaintext in every chunk but the last.
    pub chunk_size: u32,
    /// Chunks in all.
    pub total_chunks: u32,
    /// Files in all.
    pub files: u32,
    /// Whether an earlier upload went on.
    pub resumed: bool,
    state: Arc<Leftover>,
}

impl Sent {
    /// Keeps the local state, for a link that could not be shown: the same options then return it again.
    pub fn keep_state(self) {
        if let Some(mut leftover) = Arc::into_inner(self.state) {
            leftover.0 = None;
        }
    }
}

/// The state of an upload that nobody needs any more, once its link is known.
struct Leftover(Option<Arc<Upload>>);

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(upload) = self.0.take() {
            discard(upload);
        }
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

/// Sends files and returns their link once the server has all of them.
///
/// Can be dropped at any moment; the same options then continue where it stopped, unless they send a stream.
///
/// # Errors
/// [`Error`] says what happened. Nothing can be received before this returns `Ok`.
pub async fn send(options: SendOptions, ambient: Ambient, progress: Arc<dyn Progress>) -> Result<Sent, Error> {
    let api = Api::new(options.server.clone())?;
    let retry = Retry::new(options.retry, ambient.clone(), Arc::clone(&progress));
    let (state_dir, now) = (options.state_dir.clone(), ambient.now());
    let store = blocking(move || Store::open(&state_dir, now)).await?;
    let source = options.source.clone();
    // Before the server is asked: what cannot be sent is known without it.
    let scanned = match &options.source {
        Source::Paths { .. } => Some(blocking(move || Input::open(&source)).await?),
        Source::Stream(_) => None,
    };
    let server = options.server.base().to_owned();
    let config = until_final!(retry, api.config());
    let config = config.map_err(|error| error.into_error(&server, Role::Owner))?;
    let input = match (scanned, &options.source) {
        (None, Source::Stream(stream)) => keep(stream.clone(), &store, &config, &progress).await?,
        (scanned, _) => scanned.ok_or(Error::Internal("there is nothing to send"))?,
    };
    let window = Window::new(options.window_bytes, options.parallel);
    let (input, options, breaks) = (Arc::new(input), Arc::new(options), Breaks::default());
    let sender = Sender { options, api, retry, progress, ambient, store, input, config, window, breaks };
    Arc::new(sender).run().await
}

/// Keeps a stream on disk until its end.
async fn keep(
    stream: Stream,
    store: &Store,
    config: &ServerConfig,
    progress: &Arc<dyn Progress>,
) -> Result<Input, Error> {
    let (folder, max_bytes, progress) = (store.root().to_owned(), config.max_file_bytes.get(), Arc::clone(progress));
    blocking(move || {
        let (file, size) = input::spool(&stream, &folder, max_bytes, progress.as_ref())?;
        Ok(Input::of_spool(file, size))
    })
    .await
}

/// Everything that one send needs, shared by its tasks.
struct Sender {
    options: Arc<SendOptions>,
    api: Api,
    retry: Retry,
    progress: Arc<dyn Progress>,
    ambient: Ambient,
    store: Store,
    input: Arc<Input>,
    config: ServerConfig,
    window: Window,
    breaks: Breaks,
}

/// Why an upload stops.
#[derive(Debug)]
enum Stop {
    /// The send ends; the upload may go on later.
    Later(Error),
    /// The send ends, and the upload can never go on.
    Never(Error),
    /// A new transfer, with new keys, may succeed.
    Anew(Notice),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::ChunkConflict { .. }
            | Error::Deleted
            | Error::Expired
            | Error::NotFound
            | Error::Integrity(_)
            | Error::Limit(_) => Self::Never(error),
            _ => Self::Later(error),
        }
    }
}

impl Sender {
    async fn run(self: Arc<Self>) -> Result<Sent, Error> {
        let mut chunk_size = None;
        let mut earlier = self.find_earlier().await?;
        let mut last = Notice::StateUnusable;
        for _ in 0..=MAX_RESTARTS {
            let upload = match earlier.take() {
                Some(upload) => upload,
                None => self.begin(chunk_size).await?,
            };
            let upload = Arc::new(upload);
            let outcome = self.upload(&upload).await;
            match outcome {
                Ok(complete) => return self.finish(upload, &complete).await,
                Err(Stop::Later(error)) => return Err(error),
                Err(Stop::Never(error)) => {
                    self.forget(upload).await;
                    return Err(error);
                }
                Err(Stop::Anew(notice)) => {
                    if matches!(notice, Notice::SmallerChunks { .. }) {
                        chunk_size = Some(SMALL_CHUNK_SIZE_BYTES);
                    }
                    // A state that is an old copy may have its original at work: the transfer is not ours to delete.
                    if notice == Notice::StateUnusable {
                        self.forget_here(upload).await;
                    } else {
                        self.forget(upload).await;
                    }
                    self.progress.on(Event::Notice(notice.clone()));
                    last = notice;
                }
            }
        }
        Err(match (last, &self.options.source) {
            (Notice::InputChanged, Source::Paths { paths, .. }) => {
                let path = paths.first().cloned().unwrap_or_default();
                Error::Input { path, what: InputProblem::Changed, others: 0 }
            }
            _ => Error::Protocol { what: "it takes no new transfer, again and again".into() },
        })
    }

    /// From create to complete.
    async fn upload(self: &Arc<Self>, upload: &Arc<Upload>) -> Result<CompleteResponse, Stop> {
        self.create(upload).await?;
        if let Some(OnLink(hear)) = &self.options.on_link {
            hear(&self.link(upload)?);
        }
        let mut missing = self.missing(upload).await?;
        for _ in 0..=MAX_REPAIRS {
            self.send_chunks(upload, &missing).await?;
            let input = Arc::clone(&self.input);
            blocking(move || input.check_unchanged()).await.map_err(|error| match error {
                Error::Input { what: InputProblem::Changed, .. } => Stop::Never(error),
                _ => Stop::Later(error),
            })?;
            self.progress.on(Event::Finishing);
            match self.complete(upload).await {
                Err(error) if error.problem() == Some(ProblemType::ChunksMissing) => {
                    missing = self.missing_now(upload).await?;
                }
                Ok(complete) if complete.transfer_id != *upload.keys.transfer_id() => {
                    return Err(Stop::Never(IntegrityError::OtherTransfer.into()));
                }
                answer => return answer.map_err(|error| self.owner_error(error).into()),
            }
        }
        Err(Stop::Never(IntegrityError::LostChunks.into()))
    }

    /// Creates the transfer; the same request again gets the first answer, so this also serves to go on.
    async fn create(&self, upload: &Upload) -> Result<(), Stop> {
        let access = self.options.access_token.as_ref().map(|token| token.as_str());
        let request = &upload.state.create;
        let answer = until_final!(self.retry, self.api.create(request, access));
        match answer {
            Ok(created) if created.transfer_id == *upload.keys.transfer_id() => Ok(()),
            Ok(_) => Err(Stop::Never(IntegrityError::OtherTransfer.into())),
            Err(error) => match error.problem() {
                // Somebody else's transfer has this id, or ours ended: never this key again.
                Some(ProblemType::TransferExists | ProblemType::TransferDeleted | ProblemType::TransferExpired) => {
                    let is_new = upload.recorded.is_none();
                    Err(Stop::Anew(if is_new { Notice::IdTaken } else { Notice::StateUnusable }))
                }
                _ => Err(error.into_error(self.api.server().base(), Role::Access { given: access.is_some() }).into()),
            },
        }
    }

    async fn complete(&self, upload: &Upload) -> Result<CompleteResponse, CallError> {
        let (id, owner) = (*upload.keys.transfer_id(), upload.keys.owner_token());
        until_final!(self.retry, self.api.complete(id, owner.as_str()))
    }

    fn link(&self, upload: &Upload) -> Result<Zeroizing<String>, Error> {
        let link = upload.keys.link(self.options.server.base());
        link.map(Zeroizing::new).map_err(|_| Error::Internal("the link cannot be written"))
    }

    /// Keeps the owner token and returns the link.
    async fn finish(&self, upload: Arc<Upload>, complete: &CompleteResponse) -> Result<Sent, Error> {
        let keys = &upload.keys;
        let create = &upload.state.create;
        let link = self.link(&upload)?;
        let (name, files) = (upload.state.name.clone(), upload.state.files);
        let record = SentRecord {
            v: SentAs::Chunks.version(),
            sent_as: SentAs::Chunks,
            transfer_id: *keys.transfer_id(),
            server: self.options.server.base().to_owned(),
            owner_token: Zeroizing::new(keys.owner_token().as_str().to_owned()),
            name: name.clone(),
            file_size: create.file_size.get(),
            sent_at: self.ambient.now(),
            completed_at: complete.completed_at,
            expires_at: Some(complete.expires_at),
            max_downloads: Some(create.max_downloads.map_or(0, ByteLen::get)),
        };
        let sent = Sent {
            transfer_id: *keys.transfer_id(),
            link,
            name,
            expires_at: complete.expires_at,
            file_size: create.file_size.get(),
            chunk_size: u32::try_from(create.chunk_size.get()).unwrap_or(u32::MAX),
            total_chunks: create.total_chunks.get(),
            files,
            resumed: upload.recorded.is_some(),
            state: Arc::new(Leftover(Some(upload))),
        };
        let store = self.store.clone();
        if blocking(move || store.record(&record)).await.is_err() {
            // No reason to lose the link of a transfer that is complete.
            self.progress.on(Event::Notice(Notice::NotRecorded));
        }
        Ok(sent)
    }

    /// Forgets an upload that cannot go on, here and, if it answers at once, on the server.
    async fn forget(&self, upload: Arc<Upload>) {
        let (id, owner, store) = (*upload.keys.transfer_id(), upload.keys.owner_token(), self.store.clone());
        // A transfer that is complete may have its link in somebody's hands: only its state goes.
        let is_complete = blocking(move || Ok(store.is_recorded(&id))).await.unwrap_or(true);
        if !is_complete {
            // Best effort: the server drops what is never completed anyway.
            let _ = self.api.delete(id, owner.as_str()).await;
        }
        self.forget_here(upload).await;
    }

    /// Forgets an upload here alone; the server drops by itself what is never completed.
    async fn forget_here(&self, upload: Arc<Upload>) {
        let _ = blocking(move || {
            discard(upload);
            Ok(())
        })
        .await;
    }

    fn owner_error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Owner)
    }
}

fn discard(upload: Arc<Upload>) {
    // Chunks that were stopped midway may hold it for another moment; the state must be gone all the same.
    match Arc::try_unwrap(upload) {
        Ok(upload) => upload.discard(),
        Err(shared) => shared.remove_files(),
    }
}
