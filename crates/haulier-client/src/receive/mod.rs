//! Receiving: a link becomes a file, or a folder of files.
//!
//! The order of the checks is the protocol's (docs/FORMAT.md, "Reading"): link, info, keys, manifest, key check, sealed
//! metadata, every number; only then is anything allocated or written. Nothing appears under the target's name before
//! every chunk has opened.

mod download;
mod sink;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

use haulier_format::{KeyMode, Link, Opened, ReadKeys, Unlocked, check_manifest, expect_kdf};
use haulier_wire::TransferId;
use haulier_wire::api::{Info, TransferState};
use zeroize::Zeroizing;

use crate::ambient::Ambient;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, CallError, Retry, RetryPolicy, Role, Server, until_final};
use crate::progress::{Event, Notice, Progress};
use crate::secret::{PassphraseSource, blocking};
use crate::window::{WINDOW_BYTES, Window};

use download::{Download, First};

/// What to receive, and where to.
#[derive(Clone)]
pub struct ReceiveOptions {
    /// The link: a secret, unless it is a passphrase's.
    pub link: Zeroizing<String>,
    /// The target; a folder if one exists under this name. The sender's name in the current folder when absent.
    pub output: Option<PathBuf>,
    /// Whether a file that exists may be replaced. Folders never are.
    pub force: bool,
    /// Needed for links whose mode has a passphrase; asked for only once the server says that the transfer has one.
    pub passphrase: Option<PassphraseSource>,
    /// Chunks under way at once, at least 1.
    pub parallel: usize,
    /// Bytes of chunks in memory at most.
    pub window_bytes: u64,
    /// Whether plain http to another machine is fine.
    pub allow_http: bool,
    /// When requests are sent again.
    pub retry: RetryPolicy,
}

impl ReceiveOptions {
    /// The usual choices: the sender's name in the current folder, 8 chunks at once, 128 MiB.
    #[must_use]
    pub fn new(link: impl Into<String>) -> Self {
        Self {
            link: Zeroizing::new(link.into()),
            output: None,
            force: false,
            passphrase: None,
            parallel: 8,
            window_bytes: WINDOW_BYTES,
            allow_http: false,
            retry: RetryPolicy::default(),
        }
    }
}

impl std::fmt::Debug for ReceiveOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveOptions").field("output", &self.output).finish_non_exhaustive()
    }
}

/// What arrived, whole and authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The file, or the folder of files.
    pub path: PathBuf,
    /// Bytes of plaintext in all.
    pub file_size: u64,
    /// How many files there are.
    pub files: usize,
    /// The sender's message. Escape it before it is shown: it is the sender's text, whoever that is.
    pub message: Option<String>,
}

/// Receives what a link stands for and returns where it is.
///
/// Can be dropped at any moment: what was written so far is then removed.
///
/// # Errors
/// [`Error`] says what happened; nothing is then under the target's name that was not there before.
pub async fn receive(
    options: ReceiveOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<Received, Error> {
    let link = Link::parse(options.link.trim()).map_err(|error| Error::Link(error.to_string()))?;
    let api = Api::new(Server::parse(&link.base, options.allow_http)?)?;
    let retry = Retry::new(options.retry, ambient.clone(), Arc::clone(&progress));
    let receiver = Receiver { api, retry, options };
    let unlocked = receiver.unlock(link).await?;
    let window = Window::new(receiver.options.window_bytes, receiver.options.parallel);
    let Receiver { api, retry, options } = receiver;
    let download = Download { api, retry, progress: Arc::clone(&progress), window, token: unlocked.token };
    let download = Arc::new(download);
    let (opened, first) = match unlocked.manifest {
        Unlocked::Full(opened) => (opened, None),
        Unlocked::Seed(seed) => {
            progress.on(Event::Notice(Notice::NoMetadata));
            let (opened, first) = download.open_seed(unlocked.id, seed).await?;
            (opened, Some(first))
        }
    };
    save(&options, &ambient, download, opened, first).await
}

/// Writes an authentic transfer to its place.
async fn save(
    options: &ReceiveOptions,
    ambient: &Ambient,
    download: Arc<Download>,
    opened: Opened,
    first: Option<First>,
) -> Result<Received, Error> {
    let (output, force) = (options.output.clone(), options.force);
    let unique = format!("{}-{:08x}", opened.transfer_id(), ambient.random_u64() >> 32);
    let opened = Arc::new(opened);
    let plan = Arc::clone(&opened);
    let sink = blocking(move || target::open(&plan, output, force, &unique)).await?;
    let sink = download.run(Arc::clone(&opened), sink, first).await?;
    let path = blocking(move || sink.publish(force)).await?;
    Ok(Received {
        transfer_id: *opened.transfer_id(),
        path,
        file_size: opened.layout().file_size(),
        files: opened.metadata().map_or(1, |metadata| metadata.files.len()),
        message: opened.metadata().and_then(|metadata| metadata.message.clone()),
    })
}

struct Receiver {
    api: Api,
    retry: Retry,
    options: ReceiveOptions,
}

/// A manifest that the keys fit, and the token that the server lets readers in with.
struct Entry {
    id: TransferId,
    manifest: Unlocked,
    token: haulier_format::DownloadToken,
}

impl Receiver {
    async fn unlock(&self, link: Link) -> Result<Entry, Error> {
        let (id, mode) = (link.id, link.mode.key_mode());
        let info = self.info(id, mode).await?;
        let source = self.options.passphrase.clone();
        let keys = blocking(move || {
            let passphrase = match source.filter(|_| mode.has_passphrase()) {
                Some(source) => Some(source.get()?),
                None => None,
            };
            ReadKeys::new(&link, passphrase.as_deref(), info.kdf.as_ref())
                .map_err(|error| Error::Passphrase(error.to_string()))
        })
        .await?;
        let token = keys.download_token();
        let manifest = until_final!(self.retry, self.api.manifest(id, token.as_str()));
        let manifest = manifest.map_err(|error| self.error(error))?;
        let checked = check_manifest(&manifest, mode, &id).map_err(manifest_error)?;
        let manifest = checked.unlock(&keys).map_err(manifest_error)?;
        Ok(Entry { id, manifest, token })
    }

    /// Asks what anyone may know, and refuses a link of another mode before a passphrase is asked for.
    async fn info(&self, id: TransferId, mode: KeyMode) -> Result<Info, Error> {
        let info = until_final!(self.retry, self.api.info(id)).map_err(|error| self.error(error))?;
        if info.transfer_id != id {
            return Err(IntegrityError::OtherTransfer.into());
        }
        expect_kdf(mode, info.kdf.is_some()).map_err(|_| Error::ModeMismatch)?;
        if info.status == TransferState::Pending {
            return Err(Error::Pending);
        }
        Ok(info)
    }

    fn error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Download)
    }
}

fn manifest_error(error: haulier_format::Error) -> Error {
    match error {
        haulier_format::Error::WrongKey => Error::WrongKey,
        haulier_format::Error::OtherTransfer => IntegrityError::OtherTransfer.into(),
        other => IntegrityError::Manifest(other.to_string()).into(),
    }
}
