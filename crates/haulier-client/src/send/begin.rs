//! How an upload begins: found where an earlier run left it, or made with new keys.

use std::sync::Arc;

use haulier_format::metadata::DEFAULT_TYPE;
use haulier_format::{FileEntry, Link, Metadata, ReadKeys, WriteKeys, sanitize_path, token_hash};
use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount, ChunkLayout};

use super::{Sender, plan};
use crate::error::{Error, InputProblem};
use crate::progress::{Event, Notice};
use crate::resume::{Found, Request, State, Upload};
use crate::secret::{PassphraseSource, blocking};

impl Sender {
    /// Looks for an upload of the same request that an earlier run left.
    pub(super) async fn find_earlier(&self) -> Result<Option<Upload>, Error> {
        let (store, request, input) = (self.store.clone(), self.request(), self.input.fingerprint());
        let notice = match blocking(move || store.find(&request, input)).await? {
            Found::Upload(upload) if self.has_passphrase_of(&upload).await? => {
                self.progress.on(Event::Notice(Notice::Resuming));
                return Ok(Some(*upload));
            }
            Found::Upload(upload) => {
                self.forget(Arc::new(*upload)).await;
                Notice::StateUnusable
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
        let fingerprint = self.input.fingerprint();
        let layout = plan::layout(fingerprint.size, chunk_size.or(self.options.chunk_size), &self.config)?;
        if let Some(lifetime) = self.options.lifetime {
            plan::check_lifetime(lifetime.as_secs(), &self.config)?;
        }
        let (name, renamed) = self.name();
        if renamed {
            self.progress.on(Event::Notice(Notice::Renamed { name: name.clone() }));
        }
        let keys = self.make_keys().await?;
        let metadata = self.describe(&keys, &layout, name);
        let sealed = self.ambient.with_rng(|mut rng| keys.seal_metadata(&metadata, &mut rng));
        let sealed = sealed.map_err(|error| {
            let what = InputProblem::Name(format!("{error}; a message has at most 64 KiB"));
            Error::Input { path: self.input.path().to_owned(), what }
        })?;
        let create = self.create_request(&keys, &layout, sealed)?;
        let state = State { request: self.request(), input: fingerprint, create, keys: keys.save() };
        let store = self.store.clone();
        blocking(move || store.create(state, keys)).await
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

    /// The name that travels, and whether it had to be changed.
    pub(super) fn name(&self) -> (String, bool) {
        let wanted = self.options.name.clone().unwrap_or_else(|| self.input.file_name());
        // A name is one segment: a slash in it would ask for folders on the other side.
        let (name, changed) = sanitize_path(&wanted.replace('/', "_"));
        let differs = name != wanted;
        (name, changed || differs)
    }

    fn request(&self) -> Request {
        Request {
            server: self.options.server.base().to_owned(),
            path: self.input.canonical_bytes(),
            name: self.options.name.clone(),
            message: self.options.message.clone(),
            mode: self.options.mode.into(),
            chunk_size: self.options.chunk_size,
            lifetime_seconds: self.options.lifetime.map(|lifetime| lifetime.as_secs()),
        }
    }

    fn describe(&self, keys: &WriteKeys, layout: &ChunkLayout, name: String) -> Metadata {
        let content_type = mime_guess::from_path(&name).first_raw().unwrap_or(DEFAULT_TYPE).to_owned();
        let file = FileEntry {
            path: name.clone(),
            size: layout.file_size(),
            offset: 0,
            content_type: content_type.clone(),
            mtime: Some(self.input.mtime()),
        };
        Metadata {
            name,
            content_type,
            file_size: layout.file_size(),
            chunk_size: u64::from(layout.chunk_size()),
            total_chunks: layout.total_chunks(),
            iv_prefix: *keys.prefix().as_bytes(),
            files: vec![file],
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
            max_downloads: None,
            owner_token_hash: Some(token_hash(keys.owner_token().as_str())),
            download_token_hash: Some(token_hash(keys.download_token().as_str())),
        })
    }
}
