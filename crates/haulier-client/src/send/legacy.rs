//! Sending for the legacy system's web client: one file as one blob, sealed while it travels. A blob has no parts, so
//! what breaks off begins anew, with another key and another transfer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use haulier_format::foreign::send_blob::{BLOB_OVERHEAD, BlobSealer, MAX_BLOB_PLAINTEXT, write_envelope};
use haulier_format::link::format_legacy_link;
use haulier_format::{LinkKey, TransferId, token_hash};
use haulier_wire::Timestamp;
use haulier_wire::encoding::to_base64url;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::input::{self, Input};
use super::options::{SendOptions, Source};
use crate::ambient::Ambient;
use crate::error::{Error, LimitError};
use crate::http::{Api, BlobBody, CallError, LegacyCreate, Retry, Role, Watch, until_final};
use crate::progress::{Event, Notice, Progress};
use crate::resume::{SentAs, SentRecord, Store};
use crate::secret::blocking;

/// Read and sealed at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that are sealed ahead of the network.
const PIECES_AHEAD: usize = 4;

/// A blob that the legacy system, or a Haulier server, has.
#[derive(Clone)]
pub struct SentLegacy {
    /// The transfer, 12 digits.
    pub transfer_id: TransferId,
    /// What opens it: a secret.
    pub link: Zeroizing<String>,
    /// The name that the receiver sees.
    pub name: String,
    /// Bytes of the file.
    pub file_size: u64,
    /// When the transfer ends, where the server says so.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for SentLegacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentLegacy").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

/// Sends one file as the legacy system's web client would, which knows no passphrase, no message and no chunks: what the
/// options say of these is not looked at. It cannot go on later; what is kept of it on this machine is what deletes it.
///
/// # Errors
/// [`Error`] says what happened. Nothing can be received before this returns `Ok`.
pub async fn send_legacy(
    options: SendOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<SentLegacy, Error> {
    let api = Api::new(options.server.clone())?;
    let retry = Retry::new(options.retry, ambient.clone(), Arc::clone(&progress));
    let Prepared { input, envelope, name } = prepare(&options, &ambient, &progress).await?;
    let file_size = input.fingerprint().size;
    let end = options.lifetime.map(|lifetime| ambient.now().checked_add(lifetime).unwrap_or(Timestamp::MAX));
    let access = options.access_token.clone();
    let (max_downloads, input) = (options.max_downloads, Arc::new(input));
    let upload = Upload { api, retry, ambient, progress, access, input, envelope, max_downloads, end };
    let Made { id, key, token } = upload.run().await?;
    let link = Zeroizing::new(format_legacy_link(options.server.base(), &id, &key));
    let sent = SentLegacy { transfer_id: id, link, name, file_size, expires_at: upload.expires_at(id).await };
    upload.record(&options, &sent, token).await;
    Ok(sent)
}

/// One row of bytes, and what stands before it.
struct Prepared {
    input: Input,
    envelope: Bytes,
    name: String,
}

/// Looks at what is to be sent, before any server is asked.
async fn prepare(options: &SendOptions, ambient: &Ambient, progress: &Arc<dyn Progress>) -> Result<Prepared, Error> {
    let (source, asked, told) = (options.source.clone(), options.name.clone(), Arc::clone(progress));
    let (state_dir, now, random) = (options.state_dir.clone(), ambient.now(), ambient.random_key());
    blocking(move || {
        let input = match &source {
            Source::Paths { .. } => Input::open(&source)?,
            Source::Stream(stream) => {
                let store = Store::open(&state_dir, now)?;
                let (file, size) = input::spool(stream, store.root(), MAX_BLOB_PLAINTEXT, told.as_ref())?;
                Input::of_spool(file, size)
            }
        };
        // Where a stream has no name, some digits stand for it.
        let mut stand_in = [0; 16];
        stand_in.copy_from_slice(&random[..16]);
        let description = input.describe(asked.as_deref(), &TransferId::from_random_bytes(stand_in));
        if description.files.len() != 1 || description.files.iter().any(|file| file.path.contains('/')) {
            return Err(LimitError::OneFile.into());
        }
        let name = description.name;
        let envelope = write_envelope(&name).map_err(|_| Error::Internal("the name is too long for an envelope"))?;
        let file_bytes = input.fingerprint().size;
        if file_bytes.saturating_add(envelope.len() as u64) > MAX_BLOB_PLAINTEXT {
            return Err(LimitError::BlobTooLarge { file_bytes }.into());
        }
        if let Some(renamed) = description.renamed.into_iter().next() {
            told.on(Event::Notice(Notice::Renamed { name: renamed, others: 0 }));
        }
        Ok(Prepared { input, envelope: envelope.into(), name })
    })
    .await
}

/// As the legacy system writes a moment: it takes no other form.
fn moment(end: Timestamp) -> String {
    end.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

struct Upload {
    api: Api,
    retry: Retry,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
    access: Option<Arc<Zeroizing<String>>>,
    input: Arc<Input>,
    envelope: Bytes,
    max_downloads: Option<u64>,
    /// When it is to end, if that was asked for.
    end: Option<Timestamp>,
}

/// A transfer that one try made: its key opens it, its token deletes it, and neither is another try's.
struct Made {
    id: TransferId,
    key: LinkKey,
    token: Zeroizing<String>,
}

impl Upload {
    /// From create to complete.
    async fn run(&self) -> Result<Made, Error> {
        let mut tries = self.retry.tries();
        let made = loop {
            let answer = self.attempt().await?;
            if let Some(answer) = tries.judge(answer).await {
                break answer.map_err(|error| self.error(error))?;
            }
        };
        self.progress.on(Event::ChunkDone);
        self.progress.on(Event::FileDone);
        let input = Arc::clone(&self.input);
        // What was sealed is what was read, and one file only if nobody wrote to it meanwhile.
        blocking(move || input.check_unchanged()).await?;
        self.progress.on(Event::Finishing);
        let completed = until_final!(self.retry, self.api.legacy_complete(made.id, self.access()));
        completed.map_err(|error| self.error(error))?;
        Ok(made)
    }

    /// Makes a transfer and sends all of the blob. A transfer whose upload broke is left to its end: what is still on its
    /// way there could arrive after the next try, and the link's key would open the other.
    async fn attempt(&self) -> Result<Result<Made, CallError>, Error> {
        let token = Zeroizing::new(to_base64url(&*Zeroizing::new(self.ambient.random_key())));
        let create = self.create(&token);
        let id = match self.api.legacy_create(&create, self.access()).await {
            Ok(id) => id,
            Err(error) => return Ok(Err(error)),
        };
        let blob_bytes = create.file_size_bytes + BLOB_OVERHEAD;
        self.progress.on(Event::Started {
            transfer_id: id,
            sealed_bytes: blob_bytes,
            present_bytes: 0,
            total_chunks: 1,
            files: 1,
        });
        self.progress.on(Event::ChunkStarted);
        let (key, sealer) = self.ambient.with_rng(|mut rng| BlobSealer::generate(&mut rng));
        let (pieces, sealing) = self.seal(sealer);
        let watch = Watch::new(Arc::clone(&self.progress));
        let body = BlobBody::new(pieces, blob_bytes, watch.clone());
        let answer = self.api.legacy_upload(id, self.access(), body, watch.clone()).await;
        // The receiver is gone with the body, so it has ended, or is about to.
        sealing.await.unwrap_or(Err(Error::Internal("a worker thread ended early")))?;
        if answer.is_ok() {
            watch.succeeded();
        }
        Ok(answer.map(|()| Made { id, key, token }))
    }

    fn create(&self, token: &str) -> LegacyCreate {
        LegacyCreate {
            file_size_bytes: self.input.fingerprint().size + self.envelope.len() as u64,
            content_type_hint: "",
            max_downloads: self.max_downloads,
            expires_at: self.end.map(moment),
            delete_auth_hash: token_hash(token),
        }
    }

    /// Seals on a thread of its own, a few pieces ahead of whoever takes them.
    fn seal(&self, sealer: BlobSealer) -> (Receiver<Bytes>, JoinHandle<Result<(), Error>>) {
        let (sender, receiver) = channel(PIECES_AHEAD);
        let (input, envelope) = (Arc::clone(&self.input), self.envelope.clone());
        (receiver, tokio::task::spawn_blocking(move || seal_into(&sender, sealer, &input, &envelope)))
    }

    /// When the server lets go of it; of interest, and no reason to fail.
    async fn expires_at(&self, id: TransferId) -> Option<Timestamp> {
        match self.api.legacy_info(id).await {
            Ok(info) => info.expires_at.parse().ok(),
            Err(_) => self.end,
        }
    }

    /// Keeps what lists and deletes it. No reason to lose the link of a transfer that is complete, if that fails.
    async fn record(&self, options: &SendOptions, sent: &SentLegacy, token: Zeroizing<String>) {
        let now = self.ambient.now();
        let record = SentRecord {
            v: SentAs::Legacy.version(),
            sent_as: SentAs::Legacy,
            transfer_id: sent.transfer_id,
            server: options.server.base().to_owned(),
            owner_token: token,
            name: sent.name.clone(),
            file_size: sent.file_size,
            sent_at: now,
            completed_at: now,
            expires_at: sent.expires_at,
            max_downloads: Some(self.max_downloads.unwrap_or(0)),
        };
        let state_dir = options.state_dir.clone();
        let recorded = blocking(move || {
            let store = Store::open(&state_dir, now)?;
            // The server chose the id. It must not put another transfer's token out of reach by choosing that one's.
            if store.is_recorded(&record.transfer_id) {
                return Err(Error::Internal("another transfer of this id is known here"));
            }
            store.record(&record)
        });
        if recorded.await.is_err() {
            self.progress.on(Event::Notice(Notice::NotRecorded));
        }
    }

    fn access(&self) -> Option<&str> {
        self.access.as_ref().map(|token| token.as_str())
    }

    fn error(&self, error: CallError) -> Error {
        error.into_error(self.api.server().base(), Role::Access { given: self.access.is_some() })
    }
}

/// The blob, piece by piece; ends early when nobody takes them any more. Blocks.
fn seal_into(sender: &Sender<Bytes>, mut sealer: BlobSealer, input: &Input, envelope: &[u8]) -> Result<(), Error> {
    let too_long = |_| Error::Internal("the blob is too long");
    let mut head = envelope.to_vec();
    sealer.seal(&mut head).map_err(too_long)?;
    let head = [&sealer.iv()[..], &head].concat();
    if sender.blocking_send(head.into()).is_err() {
        return Ok(());
    }
    let (size, mut offset) = (input.fingerprint().size, 0);
    while offset < size {
        let len = usize::try_from(size - offset).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = BytesMut::zeroed(len);
        input.read_at(&mut piece, offset)?;
        sealer.seal(&mut piece).map_err(too_long)?;
        if sender.blocking_send(piece.freeze()).is_err() {
            return Ok(());
        }
        offset += len as u64;
    }
    let tag = sealer.finish().map_err(too_long)?;
    let _ = sender.blocking_send(Bytes::copy_from_slice(&tag));
    Ok(())
}
