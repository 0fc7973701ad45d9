//! Chunks and manifests that no client of ours writes, sealed for real: a reader must refuse them for what they are, and
//! not because they are garbage.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use serde_json::json;

use super::Story;

/// Seals one chunk under any iv and for any place.
pub(super) fn seal(key: &[u8], iv: [u8; 12], (id, total, index): (&str, usize, usize), plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).expect("32 bytes");
    let aad = format!(r#"{{"chunk_index":{index},"total_chunks":{total},"transfer_id":"{id}"}}"#);
    let mut sealed = plaintext.to_vec();
    let tag = cipher.encrypt_inout_detached(&Nonce::from(iv), aad.as_bytes(), sealed.as_mut_slice().into());
    [&iv[..], &sealed, &tag.expect("short")].concat()
}

/// Prefix and counter.
pub(super) fn iv(prefix: [u8; 8], index: usize) -> [u8; 12] {
    let counter = u32::try_from(index).expect("in range").to_be_bytes();
    [&prefix[..], &counter].concat().try_into().expect("12 bytes")
}

/// Every chunk of a payload under one prefix.
pub(super) fn seal_all(key: &[u8], prefix: [u8; 8], id: &str, contents: &[u8], chunk: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = contents.chunks(chunk).collect();
    let total = pieces.len();
    let seal = |(index, piece): (usize, &&[u8])| seal(key, iv(prefix, index), (id, total, index), piece);
    pieces.iter().enumerate().map(seal).collect()
}

/// What an honest server says of a SEED transfer.
pub(super) fn seed_story(id: &str, key: &[u8], contents: &[u8], chunk: usize) -> Story {
    let total = contents.len().div_ceil(chunk);
    let at = "2026-01-02T03:04:05Z";
    let manifest = json!({
        "transfer_id": id, "total_chunks": total, "chunk_size": chunk, "file_size": contents.len(),
        "last_chunk_size": contents.len() - (total - 1) * chunk,
        "encryption": {"algorithm": "AES-256-GCM", "iv_strategy": "counter", "tag_length": 128, "aad_format": "json"},
        "created_at": at, "completed_at": at, "expires_at": "2100-01-01T00:00:00Z",
    });
    let info = json!({
        "transfer_id": id, "status": "completed", "file_size_bytes": contents.len(), "content_type_hint": "",
        "created_at": at, "download_count": 0, "max_downloads": 0, "expires_at": "2100-01-01T00:00:00Z",
        "downloads_remaining": 0, "is_expired": false, "format": "seed", "total_chunks": total,
        "needs_download_token": false, "limited": false,
    });
    Story { info, manifest, chunks: seal_all(key, [0; 8], id, contents, chunk) }
}
