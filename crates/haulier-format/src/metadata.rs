//! The sealed description of a transfer: encode, seal, open, check against a manifest (docs/FORMAT.md, "Metadata").

use std::fmt;
use std::ops::Range;

use haulier_wire::api::Manifest;
use haulier_wire::encoding::{from_hex, to_hex};
use haulier_wire::kind::MixedKind;
use haulier_wire::limit::{MAX_SEALED_METADATA_BYTES, MIN_CHUNK_SIZE_BYTES, MIN_SEALED_METADATA_BYTES};
use haulier_wire::number::MAX_SAFE_INTEGER;
use haulier_wire::{ByteLen, ChunkCount, ChunkLayout, TransferId};
use serde::Deserialize;

use crate::aad::metadata_aad;
use crate::chunk::open_body;
use crate::cipher::{Aead as _, Cipher, TAG_LEN};
use crate::error::Error;
use crate::json::{push_name, push_number_member, push_text_member};
use crate::nonce::{IV_LEN, NoncePrefix};
use crate::path::{check_files, check_path};
use crate::secret::MetadataKey;

/// Longest `message`, in bytes of UTF-8: 64 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Longest `type`, in visible ASCII characters and spaces.
pub const MAX_TYPE_BYTES: usize = 255;
/// The `type` to write when nothing is known.
pub const DEFAULT_TYPE: &str = "application/octet-stream";

/// What only key holders can read of a transfer.
///
/// A value in memory may break the rules; [`Metadata::encode`] and [`Metadata::decode`] accept none that does.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What the transfer is called: the file's path, or one name for several files.
    pub name: String,
    /// Media type of the whole: advice, 1 to 255 characters of printable ASCII.
    pub content_type: String,
    /// Bytes of plaintext in all.
    pub file_size: u64,
    /// Bytes of plaintext in every chunk but the last, 64 KiB to 64 MiB.
    pub chunk_size: u64,
    /// max(1, ceil(file_size / chunk_size)).
    pub total_chunks: u32,
    /// The first 8 bytes of every chunk's iv, not all zero.
    pub iv_prefix: [u8; 8],
    /// 1 to 10,000 files; the payload is their concatenation in this order.
    pub files: Vec<FileEntry>,
    /// Words from the sender, 1 byte to 64 KiB; to be escaped when shown.
    pub message: Option<String>,
}

/// One file of a transfer.
#[derive(Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Relative, `/` between segments (docs/FORMAT.md, "Paths").
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of the payload before it: the sum of the sizes of the files before it.
    pub offset: u64,
    /// Media type: advice, 1 to 255 characters of printable ASCII.
    pub content_type: String,
    /// When it was last changed, in Unix seconds, at most 2^53 - 1 either way.
    pub mtime: Option<i64>,
}

impl FileEntry {
    /// The indices of the chunks that cover this file: none for an empty one.
    ///
    /// Meant for entries that were checked against `layout`.
    #[must_use]
    pub fn chunks(&self, layout: &ChunkLayout) -> Range<u32> {
        let chunk = u64::from(layout.chunk_size());
        let index = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).min(layout.total_chunks());
        match self.size {
            0 => 0..0,
            size => index(self.offset / chunk)..index(self.offset.saturating_add(size).div_ceil(chunk)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    v: u64,
    name: String,
    #[serde(rename = "type")]
    content_type: String,
    file_size: u64,
    chunk_size: u64,
    total_chunks: u32,
    iv_prefix: String,
    files: Vec<FileMembers>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMembers {
    path: String,
    size: u64,
    offset: u64,
    #[serde(rename = "type")]
    content_type: String,
    mtime: Option<i64>,
}

impl From<FileMembers> for FileEntry {
    fn from(members: FileMembers) -> Self {
        let FileMembers { path, size, offset, content_type, mtime } = members;
        Self { path, size, offset, content_type, mtime }
    }
}

impl TryFrom<Members> for Metadata {
    type Error = Error;

    fn try_from(members: Members) -> Result<Self, Error> {
        let iv_prefix = from_hex(&members.iv_prefix).and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Metadata)?;
        if members.v != 1 {
            return Err(Error::Metadata);
        }
        Ok(Self {
            name: members.name,
            content_type: members.content_type,
            file_size: members.file_size,
            chunk_size: members.chunk_size,
            total_chunks: members.total_chunks,
            iv_prefix,
            files: members.files.into_iter().map(FileEntry::from).collect(),
            message: members.message,
        })
    }
}

impl Metadata {
    /// Writes the one canonical text: the bytes that `JSON.stringify` gives for these members in their fixed order.
    ///
    /// # Errors
    /// Those of [`Metadata::validate`], and [`Error::MetadataTooLarge`] when it would be over 1 MiB sealed.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.validate()?;
        let text = self.to_json();
        if text.len() > MAX_SEALED_METADATA_BYTES - MIN_SEALED_METADATA_BYTES {
            return Err(Error::MetadataTooLarge);
        }
        Ok(text.into_bytes())
    }

    /// Reads the canonical text and nothing else: whatever decodes encodes to the same bytes again.
    ///
    /// # Errors
    /// [`Error::Metadata`] for any other text, else those of [`Metadata::encode`].
    pub fn decode(text: &[u8]) -> Result<Self, Error> {
        let members: Members = serde_json::from_slice(text).map_err(|_| Error::Metadata)?;
        let metadata = Self::try_from(members)?;
        if metadata.encode()? == text { Ok(metadata) } else { Err(Error::Metadata) }
    }

    /// Checks the members against each other: numbers, prefix, names, files.
    ///
    /// # Errors
    /// The first rule that is broken: [`Error::Layout`], [`Error::Kind`], [`Error::ZeroPrefix`], [`Error::Metadata`],
    /// [`Error::Path`] or [`Error::Files`].
    pub fn validate(&self) -> Result<ChunkLayout, Error> {
        let file_size = ByteLen::new(self.file_size).ok_or(Error::Metadata)?;
        let total_chunks = ChunkCount::new(self.total_chunks).ok_or(Error::Metadata)?;
        let layout = ChunkLayout::check(file_size, self.chunk_size, total_chunks)?;
        if self.chunk_size < MIN_CHUNK_SIZE_BYTES {
            return Err(MixedKind::SmallChunks.into());
        }
        NoncePrefix::random_from_bytes(self.iv_prefix)?;
        self.check_texts()?;
        check_files(&self.files, self.file_size)?;
        Ok(layout)
    }

    fn check_texts(&self) -> Result<(), Error> {
        check_path(&self.name)?;
        let named_right = match self.files.as_slice() {
            [only] => only.path == self.name,
            _ => !self.name.contains('/'),
        };
        let message = self.message.as_ref().is_none_or(|text| (1..=MAX_MESSAGE_BYTES).contains(&text.len()));
        let files = self.files.iter().all(|file| is_type(&file.content_type) && is_mtime(file.mtime));
        if named_right && message && files && is_type(&self.content_type) { Ok(()) } else { Err(Error::Metadata) }
    }

    /// Checks every number against the server's manifest; to be called before anything is allocated or written.
    ///
    /// # Errors
    /// Those of [`Metadata::validate`], and [`Error::MetadataMismatch`] when the server names other numbers.
    pub fn check(&self, manifest: &Manifest) -> Result<ChunkLayout, Error> {
        let layout = self.validate()?;
        let same = manifest.file_size.get() == self.file_size
            && manifest.chunk_size.get() == self.chunk_size
            && manifest.total_chunks.get() == self.total_chunks
            && manifest.last_chunk_size.get() == u64::from(layout.last_chunk_size());
        if same { Ok(layout) } else { Err(Error::MetadataMismatch) }
    }

    /// Opens sealed metadata: iv (12) || ciphertext || tag (16), and decodes it.
    ///
    /// # Errors
    /// [`Error::Open`] when it does not open, else those of [`Metadata::decode`].
    pub fn open(key: &MetadataKey, id: &TransferId, sealed: &[u8]) -> Result<Self, Error> {
        if !(MIN_SEALED_METADATA_BYTES..=MAX_SEALED_METADATA_BYTES).contains(&sealed.len()) {
            return Err(Error::Open);
        }
        let mut sealed = sealed.to_vec();
        let (iv, rest) = sealed.split_first_chunk_mut::<IV_LEN>().ok_or(Error::Open)?;
        let text = open_body(&Cipher::new(key.bytes()), iv, metadata_aad(id).as_bytes(), rest)?;
        Self::decode(text)
    }

    pub(crate) fn seal(&self, key: &MetadataKey, id: &TransferId, iv: &[u8; IV_LEN]) -> Result<Vec<u8>, Error> {
        let text = self.encode()?;
        let mut sealed = Vec::with_capacity(IV_LEN + text.len() + TAG_LEN);
        sealed.extend_from_slice(iv);
        sealed.extend_from_slice(&text);
        let cipher = Cipher::new(key.bytes());
        let tag = cipher.seal(iv, metadata_aad(id).as_bytes(), &mut sealed[IV_LEN..]);
        sealed.extend_from_slice(&tag.map_err(|_| Error::MetadataTooLarge)?);
        Ok(sealed)
    }

    fn to_json(&self) -> String {
        let mut out = String::with_capacity(256 + 128 * self.files.len());
        out.push('{');
        push_number_member(&mut out, "v", 1);
        push_text_member(&mut out, "name", &self.name);
        push_text_member(&mut out, "type", &self.content_type);
        push_number_member(&mut out, "file_size", self.file_size);
        push_number_member(&mut out, "chunk_size", self.chunk_size);
        push_number_member(&mut out, "total_chunks", self.total_chunks);
        push_text_member(&mut out, "iv_prefix", &to_hex(&self.iv_prefix));
        push_name(&mut out, "files");
        out.push('[');
        for file in &self.files {
            file.push_json(&mut out);
        }
        out.push(']');
        if let Some(message) = &self.message {
            push_text_member(&mut out, "message", message);
        }
        out.push('}');
        out
    }
}

impl FileEntry {
    fn push_json(&self, out: &mut String) {
        out.push_str(if out.ends_with('[') { "{" } else { ",{" });
        push_text_member(out, "path", &self.path);
        push_number_member(out, "size", self.size);
        push_number_member(out, "offset", self.offset);
        push_text_member(out, "type", &self.content_type);
        if let Some(mtime) = self.mtime {
            push_number_member(out, "mtime", mtime);
        }
        out.push('}');
    }
}

fn is_type(text: &str) -> bool {
    (1..=MAX_TYPE_BYTES).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_mtime(mtime: Option<i64>) -> bool {
    mtime.is_none_or(|seconds| seconds.unsigned_abs() <= MAX_SAFE_INTEGER)
}

// Names and messages are as secret as the files: neither belongs in a log.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for FileEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileEntry(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests;
