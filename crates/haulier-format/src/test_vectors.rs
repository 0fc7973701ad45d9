//! The vectors of `testvectors/`: the legacy ones are checked, our own are made again and compared byte for byte.
//!
//! `HAULIER_WRITE_VECTORS=1 cargo test -p haulier-format vectors` writes ours anew; `testvectors/check.py` then proves
//! them with an independent implementation.

use std::path::PathBuf;

use haulier_wire::encoding::{from_base64url, from_hex, to_base64url, to_hex};
use haulier_wire::{ByteLen, ChunkIndex, ChunkLayout, TransferId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::aad::{chunk_aad, metadata_aad};
use crate::chunk::{ChunkContext, ChunkOpener, ChunkSealer};
use crate::cipher::{Aead as _, Cipher};
use crate::derive::{download_token, key_check, metadata_key, token_hash};
use crate::error::Error;
use crate::link::KeyMode;
use crate::metadata::{DEFAULT_TYPE, FileEntry, Metadata};
use crate::nonce::NoncePrefix;
use crate::secret::{FileKey, MetadataKey, Passphrase};
use crate::test_rng::CountingRng;
use crate::write::WriteKeys;

const PLAINTEXT_RULE: &str = "byte i of the whole payload = i mod 251";
const ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testvectors")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

/// Compares with the file, or writes it when asked to.
fn settle(name: &str, vectors: &Value) {
    let text = serde_json::to_string_pretty(vectors).unwrap() + "\n";
    let path = folder().join("haulier-v1").join(name);
    if std::env::var_os("HAULIER_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == text, "{name} is not what the code makes");
}

fn key() -> FileKey {
    FileKey::from_array(&std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

/// 12 bytes of room and the plaintext of one chunk by the rule.
fn buffer(layout: &ChunkLayout, index: ChunkIndex) -> Vec<u8> {
    let start = layout.plaintext_offset(index);
    let len = u64::from(layout.plaintext_len(index).unwrap());
    let mut buffer = vec![0; 12];
    buffer.extend((start..start + len).map(|n| u8::try_from(n % 251).unwrap()));
    buffer
}

fn sha256(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

#[test]
fn the_legacy_chunk_vectors_seal_and_open() {
    let vectors = read("legacy-send/index.json");
    let mut count = 0;
    for transfer in vectors["chunked"].as_array().unwrap() {
        let id: TransferId = transfer["transfer_id"].as_str().unwrap().parse().unwrap();
        let chunks = transfer["chunks"].as_array().unwrap();
        let size = chunks.iter().map(|chunk| chunk["plaintext_size"].as_u64().unwrap()).sum();
        let layout = ChunkLayout::new(ByteLen::new(size).unwrap(), 1 << 20).unwrap();
        assert_eq!(u64::from(layout.total_chunks()), transfer["total_chunks"].as_u64().unwrap());
        let context = ChunkContext::new(id, layout, NoncePrefix::seed());
        let (sealer, opener) = (ChunkSealer::new(&key(), context), ChunkOpener::new(&key(), context));
        for (number, chunk) in (0..).zip(chunks) {
            let index = ChunkIndex::new(number).unwrap();
            let plain = buffer(&layout, index);
            let mut sealed = plain.clone();
            let tag = sealer.seal_in_place(index, &mut sealed).unwrap();
            assert_eq!(sha256(&plain[12..]), chunk["plaintext_sha256"]);
            assert_eq!(chunk_aad(index, layout.total_chunks(), &id), chunk["aad_utf8"].as_str().unwrap());
            assert_eq!(to_hex(&sealed[..12]), chunk["iv_hex"]);
            assert_eq!(to_hex(&tag), chunk["tag_hex"]);
            assert_eq!(sha256(&sealed), chunk["sha256"]);
            assert_eq!(layout.sealed_len(index), chunk["size"].as_u64());
            if let Some(file) = chunk["file"].as_str() {
                assert_eq!(sealed, std::fs::read(folder().join("legacy-send").join(file)).unwrap());
            }
            assert_eq!(opener.open_in_place(index, &mut sealed).unwrap(), &plain[12..]);
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

fn chunk_case(layout: ChunkLayout, prefix: NoncePrefix) -> Value {
    let context = ChunkContext::new(ID.parse().unwrap(), layout, prefix);
    let sealer = ChunkSealer::new(&key(), context);
    let chunks = (0..layout.total_chunks()).map(|number| {
        let index = ChunkIndex::new(number).unwrap();
        let mut sealed = buffer(&layout, index);
        let tag = sealer.seal_in_place(index, &mut sealed).unwrap();
        let whole = if sealed.len() <= 64 { json!(to_hex(&sealed)) } else { Value::Null };
        json!({
            "index": number,
            "aad": chunk_aad(index, layout.total_chunks(), &ID.parse().unwrap()),
            "iv_hex": to_hex(&sealed[..12]),
            "tag_hex": to_hex(&tag),
            "sealed_len": sealed.len(),
            "sealed_sha256": sha256(&sealed),
            "sealed_hex": whole,
        })
    });
    json!({
        "iv_strategy": prefix.iv_strategy(),
        "iv_prefix": prefix.to_hex(),
        "file_size": layout.file_size(),
        "chunk_size": layout.chunk_size(),
        "total_chunks": layout.total_chunks(),
        "last_chunk_size": layout.last_chunk_size(),
        "chunks": chunks.collect::<Vec<_>>(),
    })
}

fn chunk_cases() -> Vec<Value> {
    let full = NoncePrefix::random_from_bytes([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]).unwrap();
    let mut cases = Vec::new();
    for (c, prefix) in [(65_536, full), (1024, NoncePrefix::seed())] {
        for size in [0, 1, c - 1, c, c + 1, 2 * c - 1, 2 * c, 2 * c + 1] {
            cases.push(chunk_case(ChunkLayout::new(ByteLen::new(size).unwrap(), c).unwrap(), prefix));
        }
    }
    cases
}

/// Chunk 0 of 1 with 5 bytes, sealed by someone who holds the key and breaks one rule: the tag is right each time.
fn refused_chunks() -> Vec<Value> {
    let (id, layout) = (ID.parse().unwrap(), ChunkLayout::new(ByteLen::new(5).unwrap(), 65_536).unwrap());
    let prefix = NoncePrefix::random_from_bytes([0xa0; 8]).unwrap();
    let opener = ChunkOpener::new(&key(), ChunkContext::new(id, layout, prefix));
    let zero = ChunkIndex::MIN;
    let good = chunk_aad(zero, 1, &id);
    let other: TransferId = "0f1e2d3c4b5a69788796a5b4c3d2e1f1".parse().unwrap();
    let one = prefix.iv(ChunkIndex::new(1).unwrap());
    let seal = |iv: [u8; 12], aad: &str, plain: &[u8]| {
        let mut body = plain.to_vec();
        let tag = Cipher::new(key().bytes()).seal(&iv, aad.as_bytes(), &mut body).unwrap();
        [&iv[..], &body, &tag].concat()
    };
    let iv = prefix.iv(zero);
    let sound = seal(iv, &good, &[0, 1, 2, 3, 4]);
    assert_eq!(opener.open_in_place(zero, &mut sound.clone()).unwrap(), [0, 1, 2, 3, 4]);
    let plain = &[0, 1, 2, 3, 4];
    let cases = [
        ("the counter is not the index", seal(one, &good, plain)),
        ("zero prefix where a random one is expected", seal([0; 12], &good, plain)),
        ("another prefix", seal(NoncePrefix::random_from_bytes([0xa1; 8]).unwrap().iv(zero), &good, plain)),
        ("the AAD has another index", seal(iv, &chunk_aad(ChunkIndex::new(1).unwrap(), 1, &id), plain)),
        ("the AAD has another total", seal(iv, &chunk_aad(zero, 2, &id), plain)),
        ("the AAD has another id", seal(iv, &chunk_aad(zero, 1, &other), plain)),
        ("the AAD has spaces", seal(iv, &good.replace(',', ", "), plain)),
        ("no AAD", seal(iv, "", plain)),
        ("one byte too few", seal(iv, &good, &plain[..4])),
        ("one byte too many", seal(iv, &good, &[0, 1, 2, 3, 4, 5])),
        ("truncated", sound[..sound.len() - 1].to_vec()),
        ("empty", Vec::new()),
    ];
    let list = cases.into_iter().map(|(why, sealed)| {
        assert_eq!(opener.open_in_place(zero, &mut sealed.clone()), Err(Error::Open), "{why}");
        json!({ "why": why, "sealed_hex": to_hex(&sealed) })
    });
    list.collect()
}

#[test]
fn our_chunk_vectors_are_what_the_code_makes() {
    let cases = chunk_cases();
    assert_eq!(cases.len(), 16);
    let vectors = json!({
        "about": "Sealed chunks: iv || ciphertext || tag. sealed_hex is null where the chunk is over 64 bytes: rebuild it from plaintext_rule.",
        "file_key_hex": to_hex(key().bytes()),
        "transfer_id": ID,
        "plaintext_rule": PLAINTEXT_RULE,
        "cases": cases,
        "refused": {
            "about": "Each must fail to open as chunk 0 of this transfer.",
            "iv_prefix": "a0a0a0a0a0a0a0a0", "file_size": 5, "chunk_size": 65536, "total_chunks": 1,
            "chunks": refused_chunks(),
        },
    });
    settle("chunks.json", &vectors);
}

fn key_case(number: u8, mode: KeyMode, passphrase: Option<&str>) -> Value {
    let words = passphrase.map(|text| Passphrase::new(text).unwrap());
    let keys = WriteKeys::generate(&mut CountingRng::new(number), mode, words.as_ref()).unwrap();
    let saved = keys.save();
    let file_key = match (&saved.link_key, &saved.passphrase_key) {
        (Some(link), None) => FileKey::from_array(link),
        (None, Some(words)) => FileKey::from_array(words),
        (Some(link), Some(words)) => FileKey::from_link_and_passphrase(
            &crate::LinkKey::from_bytes(**link),
            &crate::PassphraseKey::from_array(words),
        ),
        (None, None) => unreachable!(),
    };
    let id = keys.transfer_id();
    let token = download_token(&file_key, id);
    json!({
        "mode": match mode { KeyMode::Link => "link", KeyMode::Passphrase => "passphrase", KeyMode::LinkPassphrase => "link+passphrase" },
        "transfer_id": id,
        "link_key": saved.link_key.map(|key| to_base64url(&*key)),
        "passphrase": passphrase,
        "kdf": keys.kdf(),
        "passphrase_key_hex": saved.passphrase_key.map(|key| to_hex(&*key)),
        "file_key_hex": to_hex(file_key.bytes()),
        "metadata_key_hex": to_hex(metadata_key(&file_key).bytes()),
        "key_check": to_base64url(key_check(&file_key, id).as_bytes()),
        "download_token": token.as_str(),
        "download_token_hash": token_hash(token.as_str()),
        "link": keys.link("https://files.example/haulier/").unwrap(),
    })
}

#[test]
fn our_key_vectors_are_what_the_code_makes() {
    let cases = [
        key_case(0, KeyMode::Link, None),
        key_case(64, KeyMode::LinkPassphrase, Some("correct horse battery staple")),
        key_case(128, KeyMode::Passphrase, Some("Å\u{301} e\u{301}\u{200d} ﬁ 密码 🔑 ")),
        key_case(200, KeyMode::Passphrase, Some("k7wq-m3dz-p9xa-tc4h")),
    ];
    let refused = ["", "a\nb", "a\u{7f}b", "\u{9f}"];
    assert!(refused.iter().all(|text| Passphrase::new(text).is_err()));
    let vectors = json!({
        "about": "Key schedule in the three modes. passphrase is given before NFC. server address of link: https://files.example/haulier",
        "cases": cases,
        "refused_passphrases": refused,
    });
    settle("keys.json", &vectors);
}

fn metadata_cases() -> Vec<Metadata> {
    let file = |path: &str, size, offset, mtime| FileEntry {
        path: path.into(),
        size,
        offset,
        content_type: "text/plain; charset=utf-8".into(),
        mtime,
    };
    let several = super::metadata::tests::metadata();
    let minimal = Metadata {
        name: "a".into(),
        content_type: DEFAULT_TYPE.into(),
        file_size: 0,
        total_chunks: 1,
        files: vec![file("a", 0, 0, None)],
        message: None,
        ..several.clone()
    };
    let controls: String = ('\0'..='\u{20}')
        .chain(['"', '\\', '/', '\u{7f}', '\u{80}', '\u{2028}', '\u{2029}', '\u{feff}', '🔑'])
        .collect();
    let escapes = Metadata { message: Some(controls), ..minimal.clone() };
    let largest = Metadata {
        name: "Ünïcödé/密码 🔑.bin".into(),
        file_size: (1 << 52) + 1,
        chunk_size: 64 << 20,
        total_chunks: (1 << 26) + 1,
        files: vec![file("Ünïcödé/密码 🔑.bin", (1 << 52) + 1, 0, Some(9_007_199_254_740_991))],
        ..minimal.clone()
    };
    let earliest = Metadata { files: vec![file("a", 0, 0, Some(-9_007_199_254_740_991))], ..minimal.clone() };
    vec![several, minimal, escapes, largest, earliest]
}

#[test]
fn our_metadata_vectors_are_what_the_code_makes() {
    let key = MetadataKey::from_array(&[0x5a; 32]);
    let id: TransferId = ID.parse().unwrap();
    let iv = std::array::from_fn(|n| 0xb0 + u8::try_from(n).unwrap());
    let cases = metadata_cases();
    assert_eq!(cases.len(), 5);
    let sealed = cases.iter().map(|metadata| {
        let sealed = metadata.seal(&key, &id, &iv).unwrap();
        assert_eq!(Metadata::open(&key, &id, &sealed).as_ref(), Ok(metadata));
        let text = String::from_utf8(metadata.encode().unwrap()).unwrap();
        json!({ "text": text, "sealed": to_base64url(&sealed) })
    });
    let vectors = json!({
        "about": "Sealed metadata. text is exactly what JSON.stringify writes; sealed is base64url of iv || ciphertext || tag. One iv for all cases: never do that.",
        "metadata_key_hex": to_hex(key.bytes()),
        "transfer_id": ID,
        "aad": metadata_aad(&id),
        "iv_hex": to_hex(&iv),
        "cases": sealed.collect::<Vec<_>>(),
        "refused_texts": super::metadata::tests::refused_texts(),
    });
    settle("metadata.json", &vectors);
}

#[test]
fn every_vector_file_is_read_by_a_test() {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("haulier-v1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    // links.json and paths.json: tests/it/tables.rs.
    assert_eq!(names, ["chunks.json", "keys.json", "links.json", "metadata.json", "paths.json"]);
}

#[test]
fn our_vectors_open_from_their_files() {
    let chunks = read("haulier-v1/chunks.json");
    let key = FileKey::from_array(&from_hex(chunks["file_key_hex"].as_str().unwrap()).unwrap().try_into().unwrap());
    let mut count = 0;
    for case in chunks["cases"].as_array().unwrap() {
        let layout = ChunkLayout::new(
            ByteLen::new(case["file_size"].as_u64().unwrap()).unwrap(),
            case["chunk_size"].as_u64().unwrap(),
        );
        let prefix: [u8; 8] = from_hex(case["iv_prefix"].as_str().unwrap()).unwrap().try_into().unwrap();
        let prefix = NoncePrefix::random_from_bytes(prefix).unwrap_or_else(|_| NoncePrefix::seed());
        let opener = ChunkOpener::new(&key, ChunkContext::new(ID.parse().unwrap(), layout.unwrap(), prefix));
        for chunk in case["chunks"].as_array().unwrap() {
            if let Some(hex) = chunk["sealed_hex"].as_str() {
                let index = ChunkIndex::new(u32::try_from(chunk["index"].as_u64().unwrap()).unwrap()).unwrap();
                let mut sealed = from_hex(hex).unwrap();
                let plain = opener.open_in_place(index, &mut sealed).unwrap();
                assert_eq!(plain, &buffer(&layout.unwrap(), index)[12..]);
                count += 1;
            }
        }
    }
    assert_eq!(count, 8);
    let metadata = read("haulier-v1/metadata.json");
    let key = MetadataKey::from_array(&[0x5a; 32]);
    for case in metadata["cases"].as_array().unwrap() {
        let sealed = from_base64url(case["sealed"].as_str().unwrap()).unwrap();
        let opened = Metadata::open(&key, &ID.parse().unwrap(), &sealed).unwrap();
        assert_eq!(opened.encode().unwrap(), case["text"].as_str().unwrap().as_bytes());
    }
}
