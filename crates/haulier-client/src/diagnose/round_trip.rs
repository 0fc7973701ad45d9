//! A transfer there and back: made, uploaded, completed, fetched, opened, compared, deleted. Through the same calls and
//! the same format as any other; its keys are in memory alone.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haulier_format::metadata::DEFAULT_TYPE;
use haulier_format::{FileEntry, Link, Metadata, ReadKeys, Unlocked, WriteKeys, check_manifest, token_hash};
use haulier_wire::api::{CreateRequest, Encryption, ServerConfig};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::limit::SMALL_CHUNK_SIZE_BYTES;
use haulier_wire::{ByteLen, ChunkCount, ChunkIndex, ChunkLayout};
use tokio::time::timeout;

use super::{Check, Finding, Listener};
use crate::ambient::Ambient;
use crate::error::Error;
use crate::http::{Api, Arrival, CallError, Role, Watch};
use crate::progress::Silent;
use crate::secret::blocking;
use crate::unit::bytes;

/// Bytes of the chunk that large files are cut into.
const LARGE_CHUNK_BYTES: u64 = 8 << 20;
/// Should this process be killed in the middle, the server forgets by itself, in seconds.
const LIFETIME_SECONDS: u64 = 600;
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);
const NAME: &str = "haulier doctor";
/// Bytes before the plaintext, for the nonce.
const ROOM_BYTES: usize = 12;

/// Tries with the chunks of large files; where a proxy refuses these, with those of small ones.
pub(super) async fn run(
    api: &Api,
    config: &ServerConfig,
    ambient: &Ambient,
    access: Option<&str>,
    listener: &mut dyn Listener,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> bool {
    for chunk_bytes in [LARGE_CHUNK_BYTES, SMALL_CHUNK_SIZE_BYTES] {
        let trial = match Trial::prepare(config, ambient, chunk_bytes).await {
            Ok(trial) => trial,
            Err(error) => {
                listener.hear(failed("preparing", &error));
                return true;
            }
        };
        let outcome = tokio::select! {
            outcome = trial.run(api, access) => Some(outcome),
            () = &mut stop => None,
        };
        let owner = trial.keys.owner_token();
        let deleted = timeout(CLEAN_UP_TIMEOUT, api.delete(*trial.keys.transfer_id(), owner.as_str())).await;
        let is_gone = deleted.is_ok_and(|deleted| deleted.is_ok());
        let Some(outcome) = outcome else { return false };
        let again = outcome.is_err_and_too_large() && chunk_bytes > SMALL_CHUNK_SIZE_BYTES;
        listener.hear(judge(outcome, trial.len(), is_gone));
        if !again {
            return true;
        }
    }
    true
}

/// How fast it was.
#[derive(Clone, Copy, Debug)]
struct Speeds {
    up: Duration,
    down: Duration,
}

/// Where it ended.
#[derive(Debug)]
enum Trouble {
    /// A proxy takes no bodies of this size.
    TooLarge,
    /// A step failed.
    At(&'static str, Error),
    /// What came back was something else.
    Differs,
}

trait TooLarge {
    fn is_err_and_too_large(&self) -> bool;
}

impl TooLarge for Result<Speeds, Trouble> {
    fn is_err_and_too_large(&self) -> bool {
        matches!(self, Err(Trouble::TooLarge))
    }
}

fn judge(outcome: Result<Speeds, Trouble>, len: u64, is_gone: bool) -> Finding {
    match outcome {
        Ok(speeds) => {
            let speed = |took: Duration| bytes(per_second(len, took));
            let message =
                format!("{} there and back: {}/s up, {}/s down", bytes(len), speed(speeds.up), speed(speeds.down));
            if is_gone {
                return Finding::ok(Check::RoundTrip, message);
            }
            let advice = format!("The test transfer could not be deleted; it expires in {LIFETIME_SECONDS} s.");
            Finding::warning(Check::RoundTrip, message, advice)
        }
        Err(Trouble::TooLarge) if len > SMALL_CHUNK_SIZE_BYTES => Finding::warning(
            Check::RoundTrip,
            format!("a proxy before the server refuses bodies of {}", bytes(len)),
            "Sends use 960 KiB chunks, which is slower; the server's owner can raise client_max_body_size (nginx) to 65m.",
        ),
        Err(Trouble::TooLarge) => Finding::failed(
            Check::RoundTrip,
            format!("a proxy before the server refuses even bodies of {}", bytes(len)),
            "The server's owner must let larger bodies through: client_max_body_size (nginx), at least 1m.",
        ),
        Err(Trouble::Differs) => Finding::failed(
            Check::RoundTrip,
            "what came back is not what was sent",
            "The way to the server, or its storage, damages data. Every get would notice.",
        ),
        Err(Trouble::At(step, error)) => failed(step, &error),
    }
}

fn failed(step: &str, error: &Error) -> Finding {
    let advice = "Try again; if it stays, the server's owner should look into its log.";
    Finding::failed(Check::RoundTrip, format!("{step} a test transfer: {error}"), advice)
}

fn per_second(len: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(len) * 1_000_000 / took.as_micros().max(1)).unwrap_or(u64::MAX)
}

/// One transfer of one chunk of random bytes.
struct Trial {
    keys: Arc<WriteKeys>,
    layout: ChunkLayout,
    create: CreateRequest,
    plaintext: Arc<Vec<u8>>,
}

impl Trial {
    /// Makes keys and bytes; nothing is sent yet.
    async fn prepare(config: &ServerConfig, ambient: &Ambient, chunk_bytes: u64) -> Result<Self, Error> {
        let len = chunk_bytes.min(config.max_file_bytes.get()).min(config.max_chunk_bytes.get());
        let lifetime = LIFETIME_SECONDS.clamp(config.min_expires_in_seconds, config.max_expires_in_seconds);
        let ambient = ambient.clone();
        blocking(move || ambient.with_rng(|mut rng| Self::make(len, lifetime, &mut rng))).await
    }

    fn make(len: u64, lifetime: u64, mut rng: &mut dyn rand_core::CryptoRng) -> Result<Self, Error> {
        let number = |value| ByteLen::new(value).ok_or(Error::Internal("a length is out of range"));
        let chunk_size = len.max(haulier_wire::limit::MIN_CHUNK_SIZE_BYTES);
        let layout = ChunkLayout::new(number(len)?, chunk_size).map_err(crate::error::LimitError::from)?;
        let keys = WriteKeys::generate(&mut rng, haulier_format::KeyMode::Link, None)
            .map_err(|_| Error::Internal("no keys could be made"))?;
        let mut plaintext = vec![0; usize::try_from(len).unwrap_or(0)];
        rng.fill_bytes(&mut plaintext);
        let sealed = keys
            .seal_metadata(&describe(&keys, &layout), &mut rng)
            .map_err(|_| Error::Internal("the description cannot be sealed"))?;
        let create = CreateRequest {
            transfer_id: Some(*keys.transfer_id()),
            total_chunks: ChunkCount::new(layout.total_chunks()).ok_or(Error::Internal("no chunks"))?,
            chunk_size: number(chunk_size)?,
            file_size: number(len)?,
            encryption: Encryption::v1(IvStrategy::PrefixCounter),
            sealed_metadata: Some(Base64Url(sealed)),
            key_check: Some(Base64Url(keys.key_check().as_bytes().to_vec())),
            kdf: None,
            expires_in_seconds: Some(number(lifetime)?),
            expires_at: None,
            max_downloads: None,
            owner_token_hash: Some(token_hash(keys.owner_token().as_str())),
            download_token_hash: Some(token_hash(keys.download_token().as_str())),
        };
        Ok(Self { keys: Arc::new(keys), layout, create, plaintext: Arc::new(plaintext) })
    }

    fn len(&self) -> u64 {
        self.layout.file_size()
    }

    async fn run(&self, api: &Api, access: Option<&str>) -> Result<Speeds, Trouble> {
        let owner = self.keys.owner_token();
        let at = |step, role| {
            move |error: CallError| match error {
                CallError::ProxyTooLarge => Trouble::TooLarge,
                error => Trouble::At(step, error.into_error(api.server().base(), role)),
            }
        };
        let create = at("creating", Role::Access { given: access.is_some() });
        api.create(&self.create, access).await.map_err(create)?;

        let sealed = self.seal().await.map_err(|error| Trouble::At("sealing", error))?;
        let (id, blake3) = (*self.keys.transfer_id(), blake3::hash(&sealed));
        let begun = Instant::now();
        let stored = api.put_chunk(id, 0, owner.as_str(), sealed.into(), watch()).await;
        let stored = stored.map_err(at("uploading", Role::Owner))?;
        let up = begun.elapsed();
        if stored.blake3 != blake3.to_hex().as_str() {
            return Err(Trouble::Differs);
        }
        api.complete(id, owner.as_str()).await.map_err(at("completing", Role::Owner))?;
        let down = self.fetch(api).await?;
        Ok(Speeds { up, down })
    }

    async fn seal(&self) -> Result<Vec<u8>, Error> {
        let (keys, layout, plaintext) = (Arc::clone(&self.keys), self.layout, Arc::clone(&self.plaintext));
        blocking(move || {
            let sealer = keys.sealer(layout).map_err(|_| Error::Internal("the keys are bound to another layout"))?;
            let mut buffer = Vec::with_capacity(plaintext.len() + 28);
            buffer.resize(ROOM_BYTES, 0);
            buffer.extend_from_slice(&plaintext);
            let sealed = sealer.seal_in_place(ChunkIndex::MIN, &mut buffer);
            sealed.map(|_| buffer).map_err(|_| Error::Internal("a chunk could not be sealed"))
        })
        .await
    }

    /// Fetches and opens it as a receiver does: from nothing but the link.
    async fn fetch(&self, api: &Api) -> Result<Duration, Trouble> {
        let read = |error: CallError| Trouble::At("fetching", error.into_error(api.server().base(), Role::Download));
        let link = self.keys.link(api.server().base()).ok().and_then(|link| Link::parse(&link).ok());
        let link = link.ok_or(Trouble::At("fetching", Error::Internal("the link cannot be written")))?;
        let keys = ReadKeys::new(&link, None, None).map_err(|_| Trouble::Differs)?;
        let (id, token) = (link.id, keys.download_token());
        let manifest = api.manifest(id, token.as_str(), None).await.map_err(read)?;
        let checked = check_manifest(&manifest, link.mode.key_mode(), &id).map_err(|_| Trouble::Differs)?;
        let Ok(Unlocked::Full(opened)) = checked.unlock(&keys) else { return Err(Trouble::Differs) };
        let len = opened.layout().sealed_len(ChunkIndex::MIN).unwrap_or_default();
        if len != self.layout.sealed_size() {
            return Err(Trouble::Differs);
        }
        let mut sealed = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        let begun = Instant::now();
        let mut arrival = Arrival::new(&mut sealed, len);
        api.get_chunk((id, 0), (token.as_str(), None), &mut arrival, &watch()).await.map_err(read)?;
        let down = begun.elapsed();
        let plaintext = Arc::clone(&self.plaintext);
        let same = blocking(move || {
            let came_back = opened.opener().open_in_place(ChunkIndex::MIN, &mut sealed);
            Ok(came_back.is_ok_and(|came_back| came_back == plaintext.as_slice()))
        });
        if same.await.unwrap_or(false) { Ok(down) } else { Err(Trouble::Differs) }
    }
}

fn watch() -> Watch {
    Watch::new(Arc::new(Silent))
}

fn describe(keys: &WriteKeys, layout: &ChunkLayout) -> Metadata {
    let file = FileEntry {
        path: NAME.into(),
        size: layout.file_size(),
        offset: 0,
        content_type: DEFAULT_TYPE.into(),
        mtime: None,
    };
    Metadata {
        name: NAME.into(),
        content_type: DEFAULT_TYPE.into(),
        file_size: layout.file_size(),
        chunk_size: u64::from(layout.chunk_size()),
        total_chunks: layout.total_chunks(),
        iv_prefix: *keys.prefix().as_bytes(),
        files: vec![file],
        message: None,
    }
}
