//! The strip matrix: whatever a server removes from a FULL manifest or changes in it, alone and together, nothing of
//! the transfer opens.

use haulier_format::{ByteLen, ChunkCount, Error, KeyMode, ReadKeys, Unlocked, check_manifest};
use haulier_wire::api::{Kdf, Manifest};
use haulier_wire::kind::{IvStrategy, MixedKind};

use crate::support::{CHUNK, Sent, full, send};

const MODES: [KeyMode; 3] = [KeyMode::Link, KeyMode::LinkPassphrase, KeyMode::Passphrase];

fn len(value: u64) -> ByteLen {
    ByteLen::new(value).unwrap()
}

type Change = (&'static str, fn(&mut Manifest));

/// What a server can do to each member. In this order, so that a change is made before a removal.
const CHANGES: [Change; 14] = [
    ("change sealed_metadata", |m| m.sealed_metadata.iter_mut().for_each(|sealed| sealed.0[20] ^= 1)),
    ("remove sealed_metadata", |m| m.sealed_metadata = None),
    ("change key_check", |m| m.key_check.iter_mut().for_each(|check| check.0[31] ^= 1)),
    ("remove key_check", |m| m.key_check = None),
    ("change kdf", |m| m.kdf.iter_mut().for_each(|kdf| kdf.salt[0] ^= 1)),
    ("remove or add kdf", |m| m.kdf = if m.kdf.is_some() { None } else { Some(Kdf { salt: [0; 16] }) }),
    ("the other iv_strategy", |m| m.encryption.iv_strategy = IvStrategy::Counter),
    ("another id", |m| m.transfer_id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".parse().unwrap()),
    ("file_size + 1", |m| m.file_size = len(m.file_size.get() + 1)),
    ("last_chunk_size + 1", |m| m.last_chunk_size = len(m.last_chunk_size.get() + 1)),
    ("total_chunks + 1", |m| m.total_chunks = ChunkCount::new(m.total_chunks.get() + 1).unwrap()),
    ("one chunk less", |m| m.file_size = len(m.file_size.get() - CHUNK)),
    ("total_chunks - 1", |m| m.total_chunks = ChunkCount::new(m.total_chunks.get() - 1).unwrap()),
    ("twice the chunk_size", |m| m.chunk_size = len(2 * CHUNK)),
];

/// Whether anything of the transfer opens through this manifest.
fn opens(sent: &Sent, keys: &ReadKeys, manifest: &Manifest) -> bool {
    match sent.check(manifest).and_then(|checked| checked.unlock(keys)) {
        Ok(Unlocked::Full(_)) => true,
        Ok(Unlocked::Seed(first)) => first.open_first(&mut sent.chunks[0].clone()).is_ok(),
        Err(_) => false,
    }
}

#[test]
fn no_combination_of_changes_opens() {
    for (seed, mode) in (200..).zip(MODES) {
        let sent = send(seed, mode, 2 * CHUNK + 5);
        let keys = sent.read_keys();
        assert!(opens(&sent, keys, &sent.manifest));
        let mut unchanged = 0;
        for subset in 0..1_u32 << CHANGES.len() {
            let mut manifest = sent.manifest.clone();
            let chosen = CHANGES.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
            chosen.for_each(|(_, (_, change))| change(&mut manifest));
            unchanged += u32::from(manifest == sent.manifest);
            assert_eq!(opens(&sent, keys, &manifest), manifest == sent.manifest, "{mode:?} {subset:b}");
        }
        // Nothing; total_chunks up and down; and where there is no kdf, the same with its change.
        assert_eq!(unchanged, if mode == KeyMode::Link { 4 } else { 2 });
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let sent = send(210, KeyMode::LinkPassphrase, 2 * CHUNK + 5);
    let keys = sent.read_keys();
    let reason = |name: &str| {
        let (_, change) = CHANGES.iter().find(|(known, _)| *known == name).unwrap();
        let mut manifest = sent.manifest.clone();
        change(&mut manifest);
        sent.check(&manifest).and_then(|checked| checked.unlock(keys)).map(full).unwrap_err()
    };
    assert_eq!(reason("change sealed_metadata"), Error::Open);
    assert_eq!(reason("remove sealed_metadata"), Error::Kind(MixedKind::SealedMetadataMissing));
    assert_eq!(reason("change key_check"), Error::WrongKey);
    assert_eq!(reason("remove key_check"), Error::Kind(MixedKind::KeyCheckMissing));
    assert_eq!(reason("change kdf"), Error::KdfChanged);
    assert_eq!(reason("remove or add kdf"), Error::KdfMissing);
    assert_eq!(reason("the other iv_strategy"), Error::Kind(MixedKind::KeyCheckSurplus));
    assert_eq!(reason("another id"), Error::OtherTransfer);
    assert_eq!(reason("last_chunk_size + 1"), Error::LastChunkSize);
    assert!(matches!(reason("total_chunks + 1"), Error::Layout(_)));
}

#[test]
fn numbers_that_agree_with_each_other_but_not_with_the_sender_are_refused() {
    let sent = send(211, KeyMode::Link, 2 * CHUNK + 5);
    let keys = sent.read_keys();
    for (file_size, chunk_size) in
        [(2 * CHUNK + 4, CHUNK), (CHUNK, CHUNK), (2 * CHUNK + 5, CHUNK + 1), (1 << 50, 64 << 20)]
    {
        let mut manifest = sent.manifest.clone();
        let lie = haulier_format::ChunkLayout::new(len(file_size), chunk_size).unwrap();
        manifest.file_size = len(file_size);
        manifest.chunk_size = len(chunk_size);
        manifest.total_chunks = ChunkCount::new(lie.total_chunks()).unwrap();
        manifest.last_chunk_size = len(u64::from(lie.last_chunk_size()));
        let error = sent.check(&manifest).unwrap().unlock(keys).unwrap_err();
        assert_eq!(error, Error::MetadataMismatch);
    }
}

#[test]
fn a_full_strip_to_seed_fails_at_the_first_chunk() {
    let sent = send(212, KeyMode::Link, 2 * CHUNK + 5);
    let mut manifest = sent.manifest.clone();
    manifest.encryption.iv_strategy = IvStrategy::Counter;
    (manifest.sealed_metadata, manifest.key_check) = (None, None);
    let Ok(Unlocked::Seed(first)) = sent.check(&manifest).unwrap().unlock(sent.read_keys()) else {
        panic!("exactly SEED");
    };
    assert_eq!(first.open_first(&mut sent.chunks[0].clone()).unwrap_err(), Error::Open);
}

#[test]
fn a_kdf_swapped_everywhere_is_a_wrong_key() {
    for mode in [KeyMode::LinkPassphrase, KeyMode::Passphrase] {
        let sent = send(213, mode, 5);
        let kdf = Some(Kdf { salt: [9; 16] });
        let words = haulier_format::Passphrase::new(crate::support::WORDS).unwrap();
        let keys = ReadKeys::new(&sent.link, Some(&words), kdf.as_ref()).unwrap();
        let mut manifest = sent.manifest.clone();
        manifest.kdf = kdf;
        assert_eq!(sent.check(&manifest).unwrap().unlock(&keys).unwrap_err(), Error::WrongKey);
    }
}

#[test]
fn kdf_fits_the_link_in_both_directions() {
    for (seed, sender) in (220..).zip(MODES) {
        let sent = send(seed, sender, 5);
        for reader in MODES {
            let result = check_manifest(&sent.manifest, reader, &sent.link.id).map(|_| ());
            let expected = match (sender.has_passphrase(), reader.has_passphrase()) {
                (false, true) => Err(Error::KdfMissing),
                (true, false) => Err(Error::KdfSurplus),
                _ => Ok(()),
            };
            assert_eq!(result, expected, "{sender:?} {reader:?}");
        }
    }
}

#[test]
fn sizes_of_the_sealed_members_are_checked() {
    let sent = send(230, KeyMode::Link, 5);
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = sent.manifest.clone();
        change(&mut manifest);
        sent.check(&manifest).unwrap_err()
    };
    assert_eq!(refused(|m| m.key_check.as_mut().unwrap().0.truncate(31)), Error::KeyCheckSize);
    assert_eq!(refused(|m| m.key_check.as_mut().unwrap().0.push(0)), Error::KeyCheckSize);
    assert_eq!(refused(|m| m.sealed_metadata.as_mut().unwrap().0.truncate(27)), Error::SealedMetadataSize);
    assert_eq!(refused(|m| m.sealed_metadata.as_mut().unwrap().0.resize((1 << 20) + 1, 0)), Error::SealedMetadataSize);
}
