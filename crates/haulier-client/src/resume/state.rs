//! What an unfinished upload is, on disk: written once before its first chunk is sealed, never changed.
//!
//! `state.json` is one line of JSON and one line with its BLAKE3, so that damage is noticed. It holds the keys: mode
//! 0600, in a folder of mode 0700, never for another machine.

use haulier_format::{KeyMode, SavedKeys, WriteKeys};
use haulier_wire::TransferId;
use haulier_wire::api::CreateRequest;
use haulier_wire::encoding::{Base64Url, from_base64url, to_base64url};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const VERSION: u32 = 2;

/// What was asked for: the same again continues an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The server's address.
    pub(crate) server: String,
    /// The canonical paths of what is sent, as the bytes that they are; none for a stream.
    pub(crate) paths: Vec<Base64Url>,
    /// What each of them was called when it was given, which decides on names in the transfer.
    pub(crate) given_names: Vec<Base64Url>,
    /// Whether they travel as one archive.
    pub(crate) tar: bool,
    /// Whether what cannot be sent is left out.
    pub(crate) leave_out: bool,
    /// A name given for it.
    pub(crate) name: Option<String>,
    /// A message given with it.
    pub(crate) message: Option<String>,
    /// The key mode.
    pub(crate) mode: Mode,
    /// A chunk_size given for it, in bytes.
    pub(crate) chunk_size: Option<u64>,
    /// A lifetime given for it, in seconds.
    pub(crate) lifetime_seconds: Option<u64>,
    /// A limit of downloads given for it.
    pub(crate) max_downloads: Option<u64>,
}

impl Request {
    /// Whether the input is gone with the process that read it, so that nothing can go on.
    pub(crate) fn is_stream(&self) -> bool {
        self.paths.is_empty()
    }
}

/// [`KeyMode`], as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    #[serde(rename = "link")]
    Link,
    #[serde(rename = "link+passphrase")]
    LinkPassphrase,
    #[serde(rename = "passphrase")]
    Passphrase,
}

impl From<KeyMode> for Mode {
    fn from(mode: KeyMode) -> Self {
        match mode {
            KeyMode::Link => Self::Link,
            KeyMode::LinkPassphrase => Self::LinkPassphrase,
            KeyMode::Passphrase => Self::Passphrase,
        }
    }
}

impl From<Mode> for KeyMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Link => Self::Link,
            Mode::LinkPassphrase => Self::LinkPassphrase,
            Mode::Passphrase => Self::Passphrase,
        }
    }
}

/// By what an input is taken for unchanged: its size, and the sizes and times of all of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Bytes in all.
    pub(crate) size: u64,
    /// BLAKE3 over every file's path, size and last change; empty for a stream.
    pub(crate) digest: String,
}

/// The content of `state.json`.
pub(crate) struct State {
    pub(crate) request: Request,
    pub(crate) input: Fingerprint,
    /// What the receiver will see it as.
    pub(crate) name: String,
    /// How many files there are.
    pub(crate) files: u32,
    /// Sent again byte for byte: create answers the same request with its first answer.
    pub(crate) create: CreateRequest,
    pub(crate) keys: SavedKeys,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("keys", &self.keys).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    v: u32,
    request: Request,
    input: Fingerprint,
    name: String,
    files: u32,
    create: CreateRequest,
    keys: Keys,
}

/// [`SavedKeys`] as texts, which are wiped on drop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    transfer_id: TransferId,
    mode: Mode,
    link_key: Option<Zeroizing<String>>,
    passphrase_key: Option<Zeroizing<String>>,
    salt: Option<String>,
    prefix: String,
    owner_secret: Zeroizing<String>,
    sizes: Option<(u64, u64)>,
    key_check: String,
}

impl State {
    /// Writes the file's content; returns it with the checksum that the tag log is bound to.
    pub(crate) fn encode(&self) -> (Zeroizing<Vec<u8>>, [u8; 32]) {
        let document = Document {
            v: VERSION,
            request: self.request.clone(),
            input: self.input.clone(),
            name: self.name.clone(),
            files: self.files,
            create: self.create.clone(),
            keys: Keys::from(&self.keys),
        };
        // Reserved at once: a vector that grew would leave unwiped copies of the keys behind.
        let metadata_bytes = self.create.sealed_metadata.as_ref().map_or(0, |sealed| sealed.0.len());
        let mut text = Zeroizing::new(Vec::with_capacity(metadata_bytes * 2 + (128 << 10)));
        // Writing JSON to memory cannot fail; if it did, the text would not decode and nothing would be resumed.
        let _ = serde_json::to_writer(&mut *text, &document);
        let checksum = blake3::hash(&text);
        text.push(b'\n');
        text.extend_from_slice(checksum.to_hex().as_bytes());
        text.push(b'\n');
        (text, *checksum.as_bytes())
    }

    /// Reads the file's content; `None` when it is damaged in any way.
    pub(crate) fn decode(text: &[u8]) -> Option<(Self, [u8; 32])> {
        let (body, trailer) = text.split_at_checked(text.len().checked_sub(66)?)?;
        let checksum = blake3::hash(body);
        let expected = format!("\n{}\n", checksum.to_hex());
        if trailer != expected.as_bytes() {
            return None;
        }
        let document: Document = serde_json::from_slice(body).ok()?;
        let keys = document.keys.restore()?;
        let Document { v, request, input, name, files, create, .. } = document;
        let state = Self { request, input, name, files, create, keys };
        (v == VERSION && state.is_consistent()).then(|| (state, *checksum.as_bytes()))
    }

    /// Whether the create request is the one that belongs to the keys.
    fn is_consistent(&self) -> bool {
        let sizes = (self.create.file_size.get(), self.create.chunk_size.get());
        self.create.transfer_id == Some(self.keys.transfer_id)
            && self.keys.sizes == Some(sizes)
            && self.input.size == sizes.0
            && self.create.check().is_ok()
            && WriteKeys::restore(&self.keys).is_ok()
    }
}

impl From<&SavedKeys> for Keys {
    fn from(saved: &SavedKeys) -> Self {
        let text = |bytes: &[u8]| Zeroizing::new(to_base64url(bytes));
        Self {
            transfer_id: saved.transfer_id,
            mode: saved.mode.into(),
            link_key: saved.link_key.as_ref().map(|key| text(&key[..])),
            passphrase_key: saved.passphrase_key.as_ref().map(|key| text(&key[..])),
            salt: saved.salt.as_ref().map(|salt| to_base64url(salt)),
            prefix: to_base64url(&saved.prefix),
            owner_secret: text(&saved.owner_secret[..]),
            sizes: saved.sizes,
            key_check: to_base64url(&saved.key_check),
        }
    }
}

impl Keys {
    fn restore(&self) -> Option<SavedKeys> {
        Some(SavedKeys {
            transfer_id: self.transfer_id,
            mode: self.mode.into(),
            link_key: self.link_key.as_ref().map(|text| secret(text)).transpose_none()?,
            passphrase_key: self.passphrase_key.as_ref().map(|text| secret(text)).transpose_none()?,
            salt: self.salt.as_ref().map(|text| bytes(text)).transpose_none()?,
            prefix: bytes(&self.prefix)?,
            owner_secret: secret(&self.owner_secret)?,
            sizes: self.sizes,
            key_check: bytes(&self.key_check)?,
        })
    }
}

/// `Option<Option<T>>` to `Option<Option<T>>` with the layers exchanged: absent is fine, damaged is not.
trait TransposeNone<T> {
    fn transpose_none(self) -> Option<Option<T>>;
}

impl<T> TransposeNone<T> for Option<Option<T>> {
    fn transpose_none(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(Some(value)) => Some(Some(value)),
        }
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_base64url(text)?.try_into().ok()
}

fn secret(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let decoded = Zeroizing::new(from_base64url(text)?);
    let mut secret = Zeroizing::new([0; 32]);
    (decoded.len() == secret.len()).then(|| secret.copy_from_slice(&decoded))?;
    Some(secret)
}
