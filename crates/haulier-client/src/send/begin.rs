//! How an upload begins: found where an earlier run left it, or made with new keys.

use std::sync::Arc;

use haulier_format::{Link, Metadata, ReadKeys, WriteKeys, token_hash};
use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount, ChunkLayout};

use super::input::Description;
use super::{Sender, Source, plan};
use crate::error::{Error, InputProblem};
use crate::progress::{Event, Notice};
use crate::resume::{Found, Request, State, Upload};
use crate::secret::{PassphraseSource, blocking};

impl Sender {
    /// Looks for an upload of the same request that an earlier run left.
    pub(super) async fn find_earlier(&self) -> Result<Option<Upload>, Error> {
        if self.input.is_stream() {
            return Ok(None);
        }
        let (store, request, input) = (self.store.clone(), self.request(), self.input.fingerprint().clone());
        let notice = match blocking(move || store.find(&request, &input)).await? {
            Found::Upload(upload) if self.has_passphrase_of(&upload).await? => {
                let unasked = matches!(self.options.passphrase, Some(PassphraseSource::Ask(_)));
                self.progress.on(Event::Notice(match upload.keys.kdf() {
                    Some(_) if unasked => Notice::ResumingLocked { transfer_id: *upload.keys.transfer_id() },
                    _ => Notice::Resuming,
                }));
                return Ok(Some(*upload));
            }
            Found::Upload(upload) => {
                self.forget(Arc::new(*upload)).await;
                Notice::OtherPassphrase
            }
            Found::InputChanged(upload) => {
                self.forget(Arc::new(*upload)).await;
                Notice::InputChanged
            }
            Found::InUse => Notice::StateInUse,
            Found::Unusable => Notice::StateUnusable,
            Found::Nothing => return Ok(None),
        };
        self.progress.on(Event::Notice(notice));
        Ok(None)
    }

    /// Whether a passphrase that is given now is the one that the upload began with. Nobody is asked again.
    async fn has_passphrase_of(&self, upload: &Upload) -> Result<bool, Error> {
        let Some(PassphraseSource::Given(passphrase)) = &self.options.passphrase else { return Ok(true) };
        let Some(kdf) = upload.keys.kdf() else { return Ok(true) };
        let link = upload.keys.link(self.options.server.base()).ok().and_then(|link| Link::parse(&link).ok());
        let Some(link) = link else { return Ok(false) };
        let (passphrase, expected) = (Arc::clone(passphrase), upload.keys.key_check());
        blocking(move || {
            let keys = ReadKeys::new(&link, Some(&passphrase), Some(&kdf));
            Ok(keys.is_ok_and(|keys| keys.key_check().matches(expected.as_bytes())))
        })
        .await
    }

    /// Makes the keys of a new transfer and keeps them; nothing has been sealed for anyone else yet.
    pub(super) async fn begin(&self, chunk_size: Option<u64>) -> Result<Upload, Error> {
        let fingerprint = self.input.fingerprint().clone();
        let layout = plan::layout(fingerprint.size, chunk_size.or(self.options.chunk_size), &self.config)?;
        if let Some(lifetime) = self.options.lifetime {
            plan::check_lifetime(lifetime.as_secs(), &self.config)?;
        }
        plan::check_downloads(self.options.max_downloads, &self.config)?;
        let keys = self.make_keys().await?;
        let description = self.input.describe(self.options.name.as_deref(), keys.transfer_id());
        self.tell_left_behind(&description);
        let (name, files) = (description.name.clone(), u32::try_from(description.files.len()).unwrap_or(u32::MAX));
        let metadata = self.metadata(&keys, &layout, description);
        let sealed = self.ambient.with_rng(|mut rng| keys.seal_metadata(&metadata, &mut rng));
        let sealed = sealed.map_err(|error| self.unnameable(&error))?;
        let create = self.create_request(&keys, &layout, sealed)?;
        let state = State { request: self.request(), input: fingerprint, name, files, create, keys: keys.save() };
        let store = self.store.clone();
        blocking(move || store.create(state, keys)).await
    }

    /// Says what will look different on the other side.
    fn tell_left_behind(&self, description: &Description) {
        let (left_out, empty_folders) = self.input.left_behind();
        if let [first, others @ ..] = description.renamed.as_slice() {
            self.progress.on(Event::Notice(Notice::Renamed { name: first.clone(), others: others.len() }));
        }
        if left_out > 0 {
            self.progress.on(Event::Notice(Notice::LeftOut { count: left_out }));
        }
        if empty_folders > 0 {
            self.progress.on(Event::Notice(Notice::EmptyFolders { count: empty_folders }));
        }
    }

    fn unnameable(&self, error: &haulier_format::Error) -> Error {
        let what = match error {
            haulier_format::Error::MetadataTooLarge => InputProblem::NamesTooLong,
            haulier_format::Error::Files => InputProblem::NamesCollide,
            _ => InputProblem::Name(format!("{error}; a message has at most 64 KiB")),
        };
        let path = match &self.options.source {
            Source::Paths { paths, .. } => paths.first().cloned().unwrap_or_default(),
            Source::Stream(_) => "standard input".into(),
        };
        Error::Input { path, what, others: 0 }
    }

    async fn make_keys(&self) -> Result<WriteKeys, Error> {
        let (ambient, mode, source) = (self.ambient.clone(), self.options.mode, self.options.passphrase.clone());
        blocking(move || {
            let passphrase = source.filter(|_| mode.has_passphrase()).map(|source| source.get()).transpose()?;
            let keys = ambient.with_rng(|mut rng| WriteKeys::generate(&mut rng, mode, passphrase.as_deref()));
            keys.map_err(|error| Error::Passphrase(error.to_string()))
        })
        .await
    }

    fn request(&self) -> Request {
        let (tar, leave_out) = match self.options.source {
            Source::Paths { tar, leave_out, .. } => (tar, leave_out),
            Source::Stream(_) => (false, false),
        };
        Request {
            server: self.options.server.base().to_owned(),
            paths: self.input.canonical_paths(),
            given_names: self.input.given_names(),
            tar,
            leave_out,
            name: self.options.name.clone(),
            message: self.options.message.clone(),
            mode: self.options.mode.into(),
            chunk_size: self.options.chunk_size,
            lifetime_seconds: self.options.lifetime.map(|lifetime| lifetime.as_secs()),
            max_downloads: self.options.max_downloads,
        }
    }

    fn metadata(&self, keys: &WriteKeys, layout: &ChunkLayout, description: Description) -> Metadata {
        Metadata {
            name: description.name,
            content_type: description.content_type,
            file_size: layout.file_size(),
            chunk_size: u64::from(layout.chunk_size()),
            total_chunks: layout.total_chunks(),
            iv_prefix: *keys.prefix().as_bytes(),
            files: description.files,
            message: self.options.message.clone().filter(|message| !message.is_empty()),
        }
    }

    fn create_request(&self, keys: &WriteKeys, layout: &ChunkLayout, sealed: Vec<u8>) -> Result<CreateRequest, Error> {
        let number = |value| ByteLen::new(value).ok_or(Error::Internal("a length is out of range"));
        let total_chunks = ChunkCount::new(layout.total_chunks()).ok_or(Error::Internal("no chunks"))?;
        Ok(CreateRequest {
            transfer_id: Some(*keys.transfer_id()),
            total_chunks,
            chunk_size: number(u64::from(layout.chunk_size()))?,
            file_size: number(layout.file_size())?,
            encryption: Encryption::v1(IvStrategy::PrefixCounter),
            sealed_metadata: Some(Base64Url(sealed)),
            key_check: Some(Base64Url(keys.key_check().as_bytes().to_vec())),
            kdf: keys.kdf(),
            expires_in_seconds: self.options.lifetime.map(|lifetime| number(lifetime.as_secs())).transpose()?,
            expires_at: None,
            max_downloads: self.options.max_downloads.map(number).transpose()?,
            owner_token_hash: Some(token_hash(keys.owner_token().as_str())),
            download_token_hash: Some(token_hash(keys.download_token().as_str())),
        })
    }
}
