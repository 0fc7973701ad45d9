//! A sender that keeps everything in memory, and a random source that is the same each time.

use std::cell::OnceCell;
use std::convert::Infallible;

use haulier_format::metadata::DEFAULT_TYPE;
use haulier_format::{
    ByteLen, CheckedManifest, ChunkCount, ChunkIndex, ChunkLayout, Error, FileEntry, KeyMode, Link, Metadata, Opened,
    Passphrase, ReadKeys, Unlocked, WriteKeys, check_manifest,
};
use haulier_wire::Timestamp;
use haulier_wire::api::{Encryption, Manifest};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

pub(crate) const CHUNK: u64 = 65_536;
pub(crate) const WORDS: &str = "correct horse";

pub(crate) struct FixedRng(pub(crate) u64);

impl TryRng for FixedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for block in bytes.chunks_mut(32) {
            self.0 += 1;
            block.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..block.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for FixedRng {}

/// One transfer as the server holds it, and its link.
pub(crate) struct Sent {
    pub(crate) keys: WriteKeys,
    pub(crate) layout: ChunkLayout,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) manifest: Manifest,
    pub(crate) link: Link,
    read_keys: OnceCell<ReadKeys>,
}

pub(crate) fn index(number: usize) -> ChunkIndex {
    ChunkIndex::new(u32::try_from(number).unwrap()).unwrap()
}

pub(crate) fn payload(size: u64) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

pub(crate) fn layout(size: u64) -> ChunkLayout {
    ChunkLayout::new(ByteLen::new(size).unwrap(), CHUNK).unwrap()
}

pub(crate) fn describe(keys: &WriteKeys, layout: ChunkLayout) -> Metadata {
    let size = layout.file_size();
    let content_type = DEFAULT_TYPE.to_owned();
    Metadata {
        name: "a.bin".into(),
        content_type: content_type.clone(),
        file_size: size,
        chunk_size: u64::from(layout.chunk_size()),
        total_chunks: layout.total_chunks(),
        iv_prefix: *keys.prefix().as_bytes(),
        files: vec![FileEntry { path: "a.bin".into(), size, offset: 0, content_type, mtime: Some(1_700_000_000) }],
        message: None,
    }
}

pub(crate) fn send(seed: u64, mode: KeyMode, size: u64) -> Sent {
    let rng = &mut FixedRng(seed << 32);
    let words = mode.has_passphrase().then(|| Passphrase::new(WORDS).unwrap());
    let keys = WriteKeys::generate(rng, mode, words.as_ref()).unwrap();
    let layout = layout(size);
    let plaintext = payload(size);
    let sealer = keys.sealer(layout).unwrap();
    let seal = |(number, part): (usize, &[u8])| {
        let mut buffer = Vec::with_capacity(part.len() + 28);
        buffer.extend_from_slice(&[0; 12]);
        buffer.extend_from_slice(part);
        sealer.seal_in_place(index(number), &mut buffer).unwrap();
        buffer
    };
    let chunk_size = usize::try_from(CHUNK).unwrap();
    let parts: Vec<&[u8]> = if size == 0 { vec![&[]] } else { plaintext.chunks(chunk_size).collect() };
    let chunks = parts.into_iter().enumerate().map(seal).collect();
    let sealed_metadata = keys.seal_metadata(&describe(&keys, layout), rng).unwrap();
    let manifest = manifest(&keys, layout, sealed_metadata);
    let link = Link::parse(&keys.link("https://files.example").unwrap()).unwrap();
    Sent { keys, layout, plaintext, chunks, manifest, link, read_keys: OnceCell::new() }
}

fn manifest(keys: &WriteKeys, layout: ChunkLayout, sealed_metadata: Vec<u8>) -> Manifest {
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    Manifest {
        transfer_id: *keys.transfer_id(),
        total_chunks: ChunkCount::new(layout.total_chunks()).unwrap(),
        chunk_size: ByteLen::new(u64::from(layout.chunk_size())).unwrap(),
        file_size: ByteLen::new(layout.file_size()).unwrap(),
        last_chunk_size: ByteLen::new(u64::from(layout.last_chunk_size())).unwrap(),
        encryption: Encryption::v1(IvStrategy::PrefixCounter),
        sealed_metadata: Some(Base64Url(sealed_metadata)),
        key_check: Some(Base64Url(keys.key_check().as_bytes().to_vec())),
        kdf: keys.kdf(),
        created_at: now,
        completed_at: now,
        expires_at: now,
    }
}

impl Sent {
    /// Made once: PBKDF2 is slow.
    pub(crate) fn read_keys(&self) -> &ReadKeys {
        self.read_keys.get_or_init(|| {
            let words = self.link.mode.key_mode().has_passphrase().then(|| Passphrase::new(WORDS).unwrap());
            ReadKeys::new(&self.link, words.as_ref(), self.keys.kdf().as_ref()).unwrap()
        })
    }

    pub(crate) fn check(&self, manifest: &Manifest) -> Result<CheckedManifest, Error> {
        check_manifest(manifest, self.link.mode.key_mode(), &self.link.id)
    }

    pub(crate) fn open(&self) -> Opened {
        full(self.check(&self.manifest).unwrap().unlock(self.read_keys()).unwrap())
    }
}

pub(crate) fn full(unlocked: Unlocked) -> Opened {
    match unlocked {
        Unlocked::Full(opened) => opened,
        Unlocked::Seed(_) => panic!("a FULL transfer was read as SEED"),
    }
}
