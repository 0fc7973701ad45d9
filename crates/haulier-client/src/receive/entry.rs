//! The way in: from the link to a manifest that its keys fit. Nothing is written before.

use std::sync::Arc;
use std::time::Duration;

use haulier_format::{DownloadToken, KeyMode, Link, ReadKeys, Unlocked, check_manifest, expect_kdf};
use haulier_wire::TransferId;
use haulier_wire::api::{Info, TransferState};
use tokio::time::sleep;

use super::lease::Lease;
use super::options::{ReceiveOptions, parse_link};
use crate::ambient::Ambient;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, CallError, Retry, Role, Server, until_final};
use crate::progress::{Event, Progress};
use crate::secret::{PassphraseSource, blocking};

/// Between the first two questions whether the sender has finished.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(2);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A manifest that the keys fit, and the token that the server lets readers in with.
pub(super) struct Entry {
    pub(super) api: Api,
    pub(super) retry: Retry,
    pub(super) id: TransferId,
    pub(super) manifest: Unlocked,
    pub(super) token: DownloadToken,
    /// Whether the transfer has a limit of downloads.
    pub(super) is_limited: bool,
}

impl Entry {
    /// Takes the steps of docs/FORMAT.md, "Reading", up to the manifest.
    ///
    /// # Errors
    /// The first that occurs; also [`Error::Pending`], unless it is to be waited for.
    pub(super) async fn open(
        options: &ReceiveOptions,
        ambient: &Ambient,
        progress: Arc<dyn Progress>,
        lease: &Lease,
    ) -> Result<Self, Error> {
        let text = options.link.clone();
        let link = blocking(move || parse_link(&text)).await?;
        let has_passphrase = link.mode.key_mode().has_passphrase();
        let opened = Self::open_link(link, options, ambient, progress, lease).await;
        opened.map_err(|error| match error {
            Error::WrongKey { .. } => Error::WrongKey { has_passphrase },
            other => other,
        })
    }

    async fn open_link(
        link: Link,
        options: &ReceiveOptions,
        ambient: &Ambient,
        progress: Arc<dyn Progress>,
        lease: &Lease,
    ) -> Result<Self, Error> {
        let api = Api::new(Server::parse(&link.base, options.allow_http)?)?;
        let retry = Retry::new(options.retry, ambient.clone(), Arc::clone(&progress));
        let door = Door { api, retry, progress };
        let (id, mode) = (link.id, link.mode.key_mode());
        let info = Arc::new(door.completed(id, mode, options.wait, lease).await?);
        let (link, source) = (Arc::new(link), options.passphrase.clone().filter(|_| mode.has_passphrase()));
        let mut tries = source.as_ref().map_or(1, PassphraseSource::tries);
        loop {
            tries -= 1;
            let keys = keys(Arc::clone(&link), Arc::clone(&info), source.clone()).await?;
            match door.unlock(&link, &keys, lease).await {
                // Whoever typed it can type it again.
                Err(Error::WrongKey { .. }) if tries > 0 => {}
                unlocked => {
                    let (manifest, token) = (unlocked?, keys.download_token());
                    let Door { api, retry, .. } = door;
                    return Ok(Self { api, retry, id, manifest, token, is_limited: info.limited });
                }
            }
        }
    }
}

struct Door {
    api: Api,
    retry: Retry,
    progress: Arc<dyn Progress>,
}

impl Door {
    /// Asks what anyone may know until the sender has finished.
    async fn completed(&self, id: TransferId, mode: KeyMode, wait: bool, lease: &Lease) -> Result<Info, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let info = self.info(id, mode).await?;
            match info.status {
                TransferState::Completed => return Ok(info),
                // Whoever has a place is served on.
                TransferState::Exhausted if lease.was_kept() => return Ok(info),
                TransferState::Exhausted => return Err(Error::Exhausted),
                TransferState::Pending => {}
            }
            if !wait {
                return Err(Error::Pending);
            }
            self.progress.on(Event::Waiting);
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// Refuses a link of another mode before a passphrase is asked for.
    async fn info(&self, id: TransferId, mode: KeyMode) -> Result<Info, Error> {
        let info = until_final!(self.retry, self.api.info(id)).map_err(|error| self.error(error))?;
        if info.transfer_id != id {
            return Err(IntegrityError::OtherTransfer.into());
        }
        expect_kdf(mode, info.kdf.is_some()).map_err(|_| Error::ModeMismatch { mode })?;
        Ok(info)
    }

    /// Asks for the manifest, which these keys must fit.
    async fn unlock(&self, link: &Link, keys: &ReadKeys, lease: &Lease) -> Result<Unlocked, Error> {
        let (token, place) = (keys.download_token(), lease.token());
        let manifest =
            until_final!(self.retry, self.api.manifest(link.id, token.as_str(), place.as_deref().map(String::as_str)));
        let manifest = manifest.map_err(|error| self.error(error))?;
        let checked = check_manifest(&manifest, link.mode.key_mode(), &link.id).map_err(manifest_error)?;
        checked.unlock(keys).map_err(manifest_error)
    }

    fn error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Download)
    }
}

async fn keys(link: Arc<Link>, info: Arc<Info>, source: Option<PassphraseSource>) -> Result<ReadKeys, Error> {
    blocking(move || {
        let passphrase = source.map(|source| source.get()).transpose()?;
        ReadKeys::new(&link, passphrase.as_deref(), info.kdf.as_ref())
            .map_err(|error| Error::Passphrase(error.to_string()))
    })
    .await
}

fn manifest_error(error: haulier_format::Error) -> Error {
    match error {
        haulier_format::Error::WrongKey => Error::WrongKey { has_passphrase: true },
        haulier_format::Error::OtherTransfer => IntegrityError::OtherTransfer.into(),
        other => IntegrityError::Manifest(other.to_string()).into(),
    }
}
