//! What was sealed opens again, in every mode and at every size that is an edge.

use haulier_format::{ChunkIndex, Error, KeyMode, Link, Passphrase, ReadKeys, Unlocked, WriteKeys, check_manifest};
use haulier_wire::api::{Encryption, Kdf, Manifest};
use haulier_wire::kind::IvStrategy;

use crate::support::{CHUNK, FixedRng, Sent, index, send};

fn open_all(sent: &Sent) -> Vec<u8> {
    let opened = sent.open();
    let mut plaintext = vec![0; sent.plaintext.len()];
    // Backwards: any order must do.
    for number in (0..sent.chunks.len()).rev() {
        let mut sealed = sent.chunks[number].clone();
        let part = opened.opener().open_in_place(index(number), &mut sealed).unwrap();
        let start = usize::try_from(opened.layout().plaintext_offset(index(number))).unwrap();
        plaintext[start..start + part.len()].copy_from_slice(part);
    }
    plaintext
}

#[test]
fn every_edge_size_round_trips() {
    let sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1];
    for (seed, size) in (1..).zip(sizes) {
        let sent = send(seed, KeyMode::Link, size);
        assert_eq!(sent.chunks.len() as u64, size.div_ceil(CHUNK).max(1));
        assert!(open_all(&sent) == sent.plaintext, "{size}");
    }
}

#[test]
fn every_mode_round_trips() {
    for mode in [KeyMode::Link, KeyMode::LinkPassphrase, KeyMode::Passphrase] {
        let sent = send(20, mode, 100);
        assert_eq!(sent.link.mode.key_mode(), mode);
        assert_eq!(open_all(&sent), sent.plaintext);
        let keys = sent.read_keys();
        assert_eq!(keys.download_token().as_str(), sent.keys.download_token().as_str());
        assert!(keys.key_check().matches(sent.keys.key_check().as_bytes()));
        assert_eq!(sent.open().name(), "a.bin");
        assert_eq!(sent.open().metadata().unwrap().files[0].mtime, Some(1_700_000_000));
    }
}

#[test]
fn sealing_again_gives_the_same_bytes() {
    let sent = send(21, KeyMode::Link, CHUNK + 5);
    let restored = WriteKeys::restore(&sent.keys.save()).unwrap();
    let mut again = [&[0xff; 12], &sent.plaintext[usize::try_from(CHUNK).unwrap()..]].concat();
    let tag = restored.sealer(sent.layout).unwrap().seal_in_place(index(1), &mut again).unwrap();
    assert_eq!(again, sent.chunks[1]);
    assert_eq!(tag[..], again[again.len() - 16..]);
}

#[test]
fn two_transfers_share_nothing() {
    let rng = &mut FixedRng(22 << 32);
    let mut generate = || WriteKeys::generate(rng, KeyMode::Link, None).unwrap();
    let (one, two) = (generate(), generate());
    assert_ne!(one.transfer_id(), two.transfer_id());
    assert_ne!(one.prefix(), two.prefix());
    assert_ne!(one.link("http://h").unwrap(), two.link("http://h").unwrap());
    assert_ne!(one.owner_token().as_str(), two.owner_token().as_str());
    assert_ne!(one.download_token().as_str(), two.download_token().as_str());
}

#[test]
fn a_wrong_passphrase_fails_at_the_key_check() {
    let sent = send(23, KeyMode::LinkPassphrase, 5);
    let words = Passphrase::new("correct horsf").unwrap();
    let keys = ReadKeys::new(&sent.link, Some(&words), sent.keys.kdf().as_ref()).unwrap();
    assert_eq!(sent.check(&sent.manifest).unwrap().unlock(&keys).unwrap_err(), Error::WrongKey);
}

#[test]
fn passphrase_and_kdf_go_with_the_link() {
    let kdf = Some(Kdf { salt: [0; 16] });
    let words = Passphrase::new("x").unwrap();
    let id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let public = Link::parse(&format!("https://h/#{id}")).unwrap();
    let private = Link::parse(&format!("https://h/#{id}/{}", "A".repeat(43))).unwrap();
    let error = |link, words, kdf: &Option<Kdf>| ReadKeys::new(link, words, kdf.as_ref()).unwrap_err();
    assert_eq!(error(&public, Some(&words), &None), Error::KdfMissing);
    assert_eq!(error(&public, None, &kdf), Error::PassphraseMissing);
    assert_eq!(error(&private, None, &kdf), Error::KdfSurplus);
    assert_eq!(error(&private, Some(&words), &None), Error::PassphraseSurplus);
}

/// Transfer t1 of the legacy project: 5 bytes, one chunk, zero prefix.
fn seed() -> (Link, Manifest, Vec<u8>) {
    let text = "https://h/#a1b2c3d4e5f6/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let mut manifest = send(24, KeyMode::Link, 5).manifest;
    manifest.transfer_id = "a1b2c3d4e5f6".parse().unwrap();
    manifest.encryption = Encryption::v1(IvStrategy::Counter);
    (manifest.sealed_metadata, manifest.key_check) = (None, None);
    let chunk = include_bytes!("../../../../testvectors/legacy-send/chunk_t1_0.bin").to_vec();
    (Link::parse(text).unwrap(), manifest, chunk)
}

#[test]
fn a_seed_transfer_opens_by_its_first_chunk() {
    let (link, manifest, mut chunk) = seed();
    let keys = ReadKeys::new(&link, None, None).unwrap();
    let unlock =
        |manifest: &Manifest| match check_manifest(manifest, KeyMode::Link, &link.id).unwrap().unlock(&keys).unwrap() {
            Unlocked::Seed(first) => first,
            Unlocked::Full(_) => panic!("a SEED transfer was read as FULL"),
        };
    let mut damaged = chunk.clone();
    damaged[20] ^= 1;
    assert_eq!(unlock(&manifest).open_first(&mut damaged).unwrap_err(), Error::Open);
    let first = unlock(&manifest);
    assert_eq!(first.first_sealed_len(), 33);
    let (opened, plaintext) = first.open_first(&mut chunk).unwrap();
    assert_eq!(plaintext, [0, 1, 2, 3, 4]);
    assert_eq!((opened.name(), opened.metadata()), ("a1b2c3d4e5f6", None));
    assert!(!opened.layout().contains(ChunkIndex::new(1).unwrap()));
}

#[test]
fn a_seed_manifest_may_have_small_chunks_and_no_passphrase() {
    let (link, mut manifest, _) = seed();
    manifest.chunk_size = haulier_format::ByteLen::new(1024).unwrap();
    assert!(check_manifest(&manifest, KeyMode::Link, &link.id).is_ok());
    for mode in [KeyMode::LinkPassphrase, KeyMode::Passphrase] {
        assert_eq!(check_manifest(&manifest, mode, &link.id).unwrap_err(), Error::SeedWithPassphrase);
    }
    manifest.chunk_size = haulier_format::ByteLen::new(1023).unwrap();
    assert!(check_manifest(&manifest, KeyMode::Link, &link.id).is_err());
}
