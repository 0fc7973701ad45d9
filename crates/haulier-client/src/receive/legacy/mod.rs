//! A blob of the legacy system: one sealed whole under a link of 12 digits. Nothing of it may be believed before its last
//! byte came and its tag was right. So it is kept sealed beside the target until then, and a get that ended early goes
//! on from there; only then is it opened, into a part of its own.

mod sealed;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haulier_format::foreign::send_blob::{BLOB_OVERHEAD, BlobOpener};
use haulier_format::{LinkKey, LinkMode, TransferId, sanitize_path};
use haulier_wire::api::TransferState;
use tokio::time::sleep;

use super::entry::{FIRST_PAUSE, LONGEST_PAUSE};
use super::options::{ReceiveOptions, Received, parse_link};
use super::part::Part;
use super::preview::Preview;
use super::selection::{Piece, Selection};
use super::target::{Target, Undotted, parent_of};
use crate::ambient::Ambient;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, BlobArrival, CallError, Retry, Role, Server, Watch, until_final};
use crate::progress::{Event, Notice, Progress};
use crate::secret::blocking;

use sealed::{Content, SealedFile};

/// A blob that the server has.
pub(super) struct Blob {
    api: Api,
    retry: Retry,
    progress: Arc<dyn Progress>,
    id: TransferId,
    key: Arc<LinkKey>,
    /// Bytes of plaintext, envelope and all, as the sender claimed.
    claimed: u64,
}

/// What a blob's tag was found right for.
struct Checked {
    sealed: SealedFile,
    opener: BlobOpener,
    content: Content,
    resumed: bool,
}

impl Blob {
    /// Asks the server what a link of 12 digits stands for; `None` for what is read chunk by chunk.
    ///
    /// # Errors
    /// Those of the link and of the server; also [`Error::Pending`], unless it is to be waited for.
    pub(super) async fn find(
        options: &ReceiveOptions,
        ambient: &Ambient,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Self>, Error> {
        let text = options.link.clone();
        let link = blocking(move || parse_link(&text)).await?;
        let LinkMode::Link(key) = link.mode else { return Ok(None) };
        if !link.id.is_legacy() {
            return Ok(None);
        }
        let api = Api::new(Server::parse(&link.base, options.allow_http)?)?;
        let retry = Retry::new(options.retry, ambient.clone(), Arc::clone(progress));
        let blob = Self { api, retry, progress: Arc::clone(progress), id: link.id, key: Arc::new(key), claimed: 0 };
        blob.completed(options.wait).await
    }

    async fn completed(mut self, wait: bool) -> Result<Option<Self>, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let info = until_final!(self.retry, self.api.legacy_info(self.id)).map_err(|error| self.error(error))?;
            if info.has_chunks() {
                return Ok(None);
            }
            match info.state()? {
                TransferState::Completed => {
                    self.claimed = info.file_size_bytes;
                    return Ok(Some(self));
                }
                TransferState::Pending if !wait => return Err(Error::Pending),
                TransferState::Pending => self.wait(&mut pause).await,
                TransferState::Exhausted => return Err(Error::Exhausted),
            }
        }
    }

    async fn wait(&self, pause: &mut Duration) {
        self.progress.on(Event::Waiting);
        sleep(*pause).await;
        *pause = (*pause * 3 / 2).min(LONGEST_PAUSE);
    }

    /// What is known before anything travelled: no more than the sender's claim of a size.
    pub(super) fn preview(&self) -> Preview {
        let size = self.claimed;
        Preview { transfer_id: self.id, file_size: size, chunk_size: size, total_chunks: 1, description: None }
    }

    /// Receives it into a file.
    ///
    /// # Errors
    /// The first that occurs; what has arrived is kept beside the target unless it can be of no use any more.
    pub(super) async fn receive(self, options: &ReceiveOptions) -> Result<Received, Error> {
        self.refuse_paths(&options.only)?;
        let (id, output, force) = (self.id, options.output.clone(), options.force);
        let folder = blocking(move || folder_of(id, output, force)).await?;
        let Checked { sealed, mut opener, content, resumed } = self.checked(folder).await?;
        self.tell_name(&content);
        let (output, force) = (options.output.clone(), options.force);
        let size = content.size();
        let written = blocking(move || {
            let target = Target::choose(selection(&content), output, force)?;
            let undotted = target.undotted();
            let path = publish(&sealed, &mut opener, &content, &target, force)?;
            sealed.remove();
            Ok((path, undotted))
        });
        let (path, undotted) = written.await?;
        if let Some(Undotted { sent, here }) = undotted {
            self.progress.on(Event::Notice(Notice::DotName { name: sent, here }));
        }
        Ok(Received { path: Some(path), ..self.received(size, resumed) })
    }

    /// Receives it into a stream, of which nothing comes before all of it is there.
    ///
    /// # Errors
    /// The first that occurs; what was written after [`Error::Output`] is not the whole.
    pub(super) async fn stream(
        self,
        options: &ReceiveOptions,
        mut output: impl Write + Send + 'static,
    ) -> Result<Received, Error> {
        self.refuse_paths(&options.only)?;
        let folder = options.state_dir.clone().filter(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("."));
        let Checked { sealed, mut opener, content, resumed } = self.checked(folder).await?;
        let size = content.size();
        blocking(move || {
            sealed.open_all(&mut opener, &content, |_, bytes| output.write_all(bytes).map_err(Error::output))?;
            output.flush().map_err(Error::output)?;
            sealed.remove();
            Ok(())
        })
        .await?;
        Ok(self.received(size, resumed))
    }

    fn received(&self, file_size: u64, resumed: bool) -> Received {
        Received { transfer_id: self.id, path: None, file_size, files: 1, message: None, resumed }
    }

    /// One whole has no paths.
    fn refuse_paths(&self, only: &[String]) -> Result<(), Error> {
        only.first().map_or(Ok(()), |path| Err(Error::NoSuchPath { path: path.clone() }))
    }

    fn tell_name(&self, content: &Content) {
        if content.is_renamed {
            self.progress.on(Event::Notice(Notice::Renamed { name: content.name.clone(), others: 0 }));
        }
    }

    /// Fetches all of it and checks its tag. What an earlier run left may be another's, or damaged: then once more,
    /// from the beginning.
    async fn checked(&self, folder: PathBuf) -> Result<Checked, Error> {
        let id = self.id;
        let mut sealed = blocking(move || SealedFile::claim(&folder, id)).await?;
        let mut resumed = sealed.len() > 0;
        loop {
            let fetched = self.fetch(&sealed).await;
            let len = match fetched {
                Ok(len) => len,
                Err(error) => {
                    self.give_up(sealed, &error).await;
                    return Err(error);
                }
            };
            self.progress.on(Event::Finishing);
            let key = Arc::clone(&self.key);
            let (back, checked) = blocking(move || {
                let checked = sealed.check(len, &key, id);
                Ok((sealed, checked))
            })
            .await?;
            sealed = back;
            match checked {
                Ok((opener, content)) => {
                    self.progress.on(Event::FileDone);
                    return Ok(Checked { sealed, opener, content, resumed });
                }
                Err(Error::WrongKey { .. }) if resumed => {
                    self.progress.on(Event::Notice(Notice::KeptUnusable));
                    sealed = blocking(move || sealed.emptied()).await?;
                    resumed = false;
                }
                Err(error) => {
                    self.give_up(sealed, &error).await;
                    return Err(error);
                }
            }
        }
    }

    /// Keeps what the next run of the same command can go on from.
    async fn give_up(&self, sealed: SealedFile, error: &Error) {
        let useless = error.is_for_good() || matches!(error, Error::WrongKey { .. }) || sealed.holds_nothing();
        if !useless {
            let path = sealed.path().to_owned();
            self.progress.on(Event::Notice(Notice::Kept { path }));
            return;
        }
        let _ = blocking(move || {
            sealed.remove();
            Ok(())
        })
        .await;
    }

    /// Brings what is missing of it; returns how long it is.
    async fn fetch(&self, sealed: &SealedFile) -> Result<u64, Error> {
        let watch = Watch::new(Arc::clone(&self.progress));
        watch.had(sealed.len());
        let (progress, id, claimed, had) = (Arc::clone(&self.progress), self.id, self.claimed, sealed.len());
        let on_total = move |total: Option<u64>| {
            let sealed_bytes = total.unwrap_or(claimed.saturating_add(BLOB_OVERHEAD));
            let present_bytes = had.min(sealed_bytes);
            let started = Event::Started { transfer_id: id, sealed_bytes, present_bytes, total_chunks: 1, files: 1 };
            progress.on(started);
            progress.on(Event::ChunkStarted);
        };
        let mut arrival = BlobArrival::new(sealed.file(), sealed.len(), on_total);
        let mut tries = self.retry.tries();
        loop {
            let before = arrival.most();
            let answer = self.api.get_blob(self.id, &mut arrival, &watch).await;
            if let Some(failure) = arrival.failure() {
                return Err(Error::unwritable(sealed.path(), failure));
            }
            if answer.is_err() && arrival.most() > before {
                tries.progressed();
            }
            if let Some(answer) = tries.judge(answer).await {
                answer.map_err(|error| self.error(error))?;
                watch.succeeded();
                self.progress.on(Event::ChunkDone);
                return Ok(arrival.len());
            }
        }
    }

    fn error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Download)
    }
}

/// Removes what an earlier run left of a transfer that is gone. Best effort.
pub(super) async fn forget(options: &ReceiveOptions) {
    let (text, output) = (options.link.clone(), options.output.clone());
    let removed = blocking(move || {
        let id = parse_link(&text)?.id;
        if id.is_legacy() {
            SealedFile::claim(&folder_of(id, output, true)?, id)?.remove();
        }
        Ok(())
    });
    let _ = removed.await;
}

/// The folder in which the blob is kept: the target's. A target that is taken is refused before anything travels.
fn folder_of(id: TransferId, output: Option<PathBuf>, force: bool) -> Result<PathBuf, Error> {
    Ok(match output {
        None => PathBuf::from("."),
        Some(path) if path.is_dir() => path,
        Some(path) => {
            let unnamed = Content { start: 0, end: 0, name: id.to_string(), is_renamed: false };
            let target = Target::choose(selection(&unnamed), Some(path), force)?;
            parent_of(&target.path).to_owned()
        }
    })
}

fn selection(content: &Content) -> Selection {
    let piece = Piece { path: content.name.clone(), offset: 0, size: content.size(), mtime: None };
    Selection { name: content.name.clone(), folder: false, pieces: vec![piece], chunks: Vec::new() }
}

/// Opens the content into a part, and gives that its name.
fn publish(
    sealed: &SealedFile,
    opener: &mut BlobOpener,
    content: &Content,
    target: &Target,
    force: bool,
) -> Result<PathBuf, Error> {
    let path = sealed.part_path(target.parent());
    remove_stale(&path);
    let part = Part::create(&path, false, &target.selection.pieces)?;
    let mut unread = blake3::Hasher::new();
    let written = sealed.open_all(opener, content, |offset, bytes| {
        part.write(bytes, offset, &mut unread).map_err(|error| Error::unwritable(&target.path, error))
    });
    let published = written.and_then(|()| part.publish(&target.path, force));
    published.inspect_err(|_| part.remove())?;
    Ok(target.path.clone())
}

/// What a run that was killed had opened: the blob is still there.
fn remove_stale(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// The sender's name as a name that every system takes, and whether it is another one. A legacy sender's browser lets
/// any name through; a slash in it never leads anywhere.
fn name_of(sent: Option<String>, id: TransferId) -> (String, bool) {
    match sent.filter(|name| !name.is_empty()) {
        Some(name) => {
            let flat = name.replace('/', "_");
            let (clean, _) = sanitize_path(&flat);
            let is_renamed = clean != name;
            (clean, is_renamed)
        }
        None => (id.to_string(), false),
    }
}

/// What a blob is not: the key is another one's, or it was damaged. Nothing in the format tells the two apart.
fn not_opened() -> Error {
    Error::WrongKey { has_passphrase: false }
}

fn damaged(what: &str) -> Error {
    IntegrityError::Manifest(what.to_owned()).into()
}

/// Reads all of `bytes` at an offset of the sealed file.
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(test)]
mod tests;
