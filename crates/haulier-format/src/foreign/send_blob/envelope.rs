//! SGMETA, which stands before the content and names it. Three shapes are in circulation, and each of the legacy
//! system's readers damages the files of the other's writer; told apart by parsing, none of them is mistaken.
//!
//! ```text
//! A   "SGMETA" 00 || u32be length || JSON || content
//! B   "SGMETA"    || u32be length || JSON || content      the one that is written
//! C   "SGMETA" 00 || JSON || content
//! ```

use serde_json::{Map, Value, json};

use crate::error::Error;

const MAGIC: &[u8; 6] = b"SGMETA";
const FILE_NAME: &str = "filename";
/// Longest JSON of an envelope, in bytes.
const MAX_JSON_BYTES: usize = 64 << 10;
/// Longest envelope, in bytes: so much of a plaintext's beginning decides.
pub const MAX_ENVELOPE_BYTES: usize = MAGIC.len() + 1 + 4 + MAX_JSON_BYTES;

/// What stands before the content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The name that the sender gave, as it stands there: not yet fit to be a path.
    pub file_name: Option<String>,
    /// Where the content begins, in bytes; 0 without an envelope.
    pub content_start: usize,
}

/// Reads the envelope at the beginning of a plaintext: B, else A, else C, else there is none and all is content.
///
/// `head` is the whole plaintext or its first [`MAX_ENVELOPE_BYTES`] bytes.
#[must_use]
pub fn read_envelope(head: &[u8]) -> Envelope {
    let Some(after_magic) = head.strip_prefix(MAGIC) else { return Envelope::default() };
    let after_zero = after_magic.strip_prefix(&[0]);
    let found = with_length(after_magic)
        .map(|(file_name, len)| (file_name, MAGIC.len() + len))
        .or_else(|| with_length(after_zero?).map(|(file_name, len)| (file_name, MAGIC.len() + 1 + len)))
        .or_else(|| bare(after_zero?).map(|(file_name, len)| (file_name, MAGIC.len() + 1 + len)));
    let Some((file_name, content_start)) = found else { return Envelope::default() };
    Envelope { file_name, content_start }
}

/// A length and so much JSON; returns the name and how long both are.
fn with_length(bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok().filter(|len| *len <= MAX_JSON_BYTES)?;
    let json = rest.get(..len).filter(|json| json.first() == Some(&b'{'))?;
    Some((file_name(serde_json::from_slice(json).ok()?), 4 + len))
}

/// JSON that ends where its braces do.
fn bare(bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let bytes = &bytes[..bytes.len().min(MAX_JSON_BYTES)];
    bytes.first().filter(|first| **first == b'{')?;
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter();
    let object = objects.next()?.ok()?;
    Some((file_name(object), objects.byte_offset()))
}

/// The name, where it is a text: whatever else stands there, it is an envelope all the same.
fn file_name(mut object: Map<String, Value>) -> Option<String> {
    match object.remove(FILE_NAME) {
        Some(Value::String(name)) => Some(name),
        _ => None,
    }
}

/// Writes envelope B. Always worth it: content that itself begins with SGMETA would be misread without one.
///
/// # Errors
/// [`Error::Path`] for a name whose JSON is longer than 64 KiB.
pub fn write_envelope(file_name: &str) -> Result<Vec<u8>, Error> {
    let json = json!({ FILE_NAME: file_name }).to_string().into_bytes();
    let len = u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_JSON_BYTES).ok_or(Error::Path)?;
    Ok([&MAGIC[..], &len.to_be_bytes(), &json].concat())
}

#[cfg(test)]
mod tests;
