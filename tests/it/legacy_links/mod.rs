//! The legacy system's links with the real CLI: against a server that answers as the legacy one does, against ours, and
//! with Node in its web client's place.

mod get;
mod info;
mod ours;
mod owned;
mod send;

use std::path::Path;

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use haulier_wire::encoding::{from_base64url, from_hex};
use serde_json::Value;

/// The index of the legacy system's vectors.
fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors/legacy-send/index.json");
    serde_json::from_slice(&std::fs::read(path).expect("the index")).expect("JSON")
}

/// The vectors' key, as links have it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A blob as the legacy client seals it.
fn seal(key: &str, plaintext: &[u8]) -> Vec<u8> {
    seal_with(*b"a fixed iv..", key, plaintext)
}

fn seal_with(iv: [u8; 12], key: &str, plaintext: &[u8]) -> Vec<u8> {
    let key = from_hex(key).or_else(|| from_base64url(key)).expect("a key");
    let cipher = Aes256Gcm::new_from_slice(&key).expect("32 bytes");
    let mut body = plaintext.to_vec();
    let tag = cipher.encrypt_inout_detached(&Nonce::from(iv), &[], body.as_mut_slice().into()).expect("sealed");
    [&iv[..], &body, &tag].concat()
}

/// Envelope B around a name.
fn named(name: &str, content: &[u8]) -> Vec<u8> {
    let json = serde_json::json!({ "filename": name }).to_string();
    let len = u32::try_from(json.len()).expect("short").to_be_bytes();
    [b"SGMETA", &len[..], json.as_bytes(), content].concat()
}
