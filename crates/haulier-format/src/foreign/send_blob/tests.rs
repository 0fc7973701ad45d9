//! The legacy blobs and envelopes of `testvectors/`, tampering, pieces and ranges.

use std::path::PathBuf;

use haulier_wire::encoding::{from_hex, to_hex};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::cipher::{Aead as _, Cipher};
use crate::derive::{friendly_id, friendly_key};
use crate::link::LinkTarget;
use crate::test_rng::CountingRng;

fn vectors() -> (PathBuf, Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testvectors/legacy-send");
    let index = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    (folder, index)
}

fn key() -> LinkKey {
    LinkKey::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// Seals in pieces of these lengths, over and over.
fn seal(iv: [u8; IV_LEN], plain: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut sealer = BlobSealer::begin(&key(), iv);
    let mut body = plain.to_vec();
    for piece in in_pieces(&mut body, pieces) {
        sealer.seal(piece).unwrap();
    }
    [&iv[..], &body, &sealer.finish().unwrap()].concat()
}

fn in_pieces<'a>(mut bytes: &'a mut [u8], lens: &[usize]) -> Vec<&'a mut [u8]> {
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at_mut((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Checks and opens in pieces of these lengths.
fn open(key: &LinkKey, blob: &[u8], pieces: &[usize]) -> Result<Vec<u8>, Error> {
    let plain_len = usize::try_from(plaintext_len(blob.len() as u64)?).unwrap();
    let (iv, rest) = blob.split_first_chunk().unwrap();
    let (body, tag) = rest.split_at(plain_len);
    let mut body = body.to_vec();
    let mut check = BlobCheck::new(key, iv);
    in_pieces(&mut body, pieces).iter().for_each(|piece| check.update(piece));
    let mut opener = check.finish(tag.try_into().unwrap())?;
    let mut offset = 0;
    for piece in in_pieces(&mut body, pieces) {
        opener.open_at(offset, piece)?;
        offset += piece.len() as u64;
    }
    Ok(body)
}

#[test]
fn the_legacy_blobs_are_made_again_and_open() {
    let (folder, vectors) = vectors();
    let blobs = vectors["blob"].as_array().unwrap();
    let mut files = 0;
    for vector in blobs {
        let content = plaintext(usize::try_from(vector["plaintext_size"].as_u64().unwrap()).unwrap());
        assert_eq!(to_hex(&Sha256::digest(&content)), vector["plaintext_sha256"]);
        let name = vector["metadata"]["filename"].as_str();
        let envelope = name.map_or_else(Vec::new, |name| write_envelope(name).unwrap());
        if name.is_some() {
            assert_eq!(to_hex(&envelope), vector["envelope_prefix_hex"]);
        }
        let plain = [envelope.clone(), content].concat();
        assert_eq!(plain.len() as u64, vector["encrypted_input_size"].as_u64().unwrap());

        let iv = from_hex(vector["iv_hex"].as_str().unwrap()).unwrap().try_into().unwrap();
        let blob = seal(iv, &plain, &[65_536]);
        assert_eq!(to_hex(blob.last_chunk::<16>().unwrap()), vector["tag_hex"]);
        assert_eq!(to_hex(&Sha256::digest(&blob)), vector["blob_sha256"]);
        assert_eq!(plaintext_len(blob.len() as u64), Ok(plain.len() as u64));
        if let Some(file) = vector["file"].as_str() {
            assert_eq!(blob, std::fs::read(folder.join(file)).unwrap());
            files += 1;
        }
        assert_eq!(open(&key(), &blob, &[1000, 7]).unwrap(), plain);
        let read = read_envelope(&plain);
        assert_eq!((read.file_name.as_deref(), read.content_start), (name, envelope.len()));
    }
    assert_eq!((blobs.len(), files), (6, 5));
}

#[test]
fn the_legacy_envelopes_are_read() {
    let (_, vectors) = vectors();
    for shape in ["A", "B"] {
        let prefix = from_hex(vectors["sgmeta_prefixes"][shape].as_str().unwrap()).unwrap();
        let read = read_envelope(&[&prefix[..], b"content"].concat());
        assert_eq!(read, Envelope { file_name: Some("a.txt".to_owned()), content_start: prefix.len() });
    }
}

#[test]
fn friendly_tokens_give_their_ids_and_keys() {
    let (_, vectors) = vectors();
    let tokens = vectors["friendly"].as_array().unwrap();
    for vector in tokens {
        let link = format!("https://send.example.org/en-gb/download/#{}", vector["token"].as_str().unwrap());
        let Ok(LinkTarget::FriendlyToken { token, .. }) = LinkTarget::parse(&link) else { panic!("{link}") };
        assert_eq!(friendly_id(&token).as_str(), vector["transfer_id"]);
        assert_eq!(to_hex(friendly_key(&token).expose()), vector["key_hex"]);
    }
    assert_eq!(tokens.len(), 1);
}

#[test]
fn a_blob_that_was_changed_anywhere_does_not_open() {
    let blob = seal([9; 12], &plaintext(50), &[50]);
    assert_eq!(open(&key(), &blob, &[50]).unwrap(), plaintext(50));
    for place in 0..blob.len() * 8 {
        let mut changed = blob.clone();
        changed[place / 8] ^= 1 << (place % 8);
        assert_eq!(open(&key(), &changed, &[50]), Err(Error::Open), "bit {place}");
    }
    for cut in 28..blob.len() {
        assert_eq!(open(&key(), &blob[..cut], &[50]), Err(Error::Open), "{cut} bytes");
    }
    assert_eq!(open(&key(), &[&blob[..], b"x"].concat(), &[50]), Err(Error::Open));
    assert_eq!(open(&LinkKey::from_bytes([7; 32]), &blob, &[50]), Err(Error::Open));
}

#[test]
fn lengths_end_where_gcm_does() {
    for (blob_len, expected) in [
        (0, Err(Error::Open)),
        (27, Err(Error::Open)),
        (28, Ok(0)),
        (29, Ok(1)),
        (MAX_BLOB_PLAINTEXT + 28, Ok(MAX_BLOB_PLAINTEXT)),
        (MAX_BLOB_PLAINTEXT + 29, Err(Error::Open)),
        (u64::MAX, Err(Error::Open)),
    ] {
        assert_eq!(plaintext_len(blob_len), expected, "{blob_len}");
    }
    // As if so much had gone by: the last byte is taken, one more is not, and stays as it was.
    let mut sealer = BlobSealer::begin(&key(), [1; 12]);
    sealer.mac.len = MAX_BLOB_PLAINTEXT - 1;
    sealer.seal(&mut [0]).unwrap();
    let mut beyond = [5];
    assert_eq!((sealer.seal(&mut beyond), beyond), (Err(Error::SealLength), [5]));
    sealer.finish().unwrap();

    let mut check = BlobCheck::new(&key(), &[1; 12]);
    check.mac.len = u64::MAX;
    check.update(&[0; 16]);
    assert_eq!(check.finish(&[0; 16]).unwrap_err(), Error::Open);

    let (mut opener, _) = begin(&key(), &[1; 12]);
    opener.open_at(MAX_BLOB_PLAINTEXT - 1, &mut [0]).unwrap();
    assert_eq!(opener.open_at(MAX_BLOB_PLAINTEXT, &mut [0]), Err(Error::Open));
    assert_eq!(opener.open_at(u64::MAX, &mut [0]), Err(Error::Open));
}

#[test]
fn every_blob_has_its_own_key_and_iv() {
    let mut rng = CountingRng::new(1);
    let (first, sealer) = BlobSealer::generate(&mut rng);
    let (second, other) = BlobSealer::generate(&mut rng);
    assert_ne!(first.expose(), second.expose());
    assert_ne!(sealer.iv(), other.iv());
    for text in [format!("{sealer:?}"), format!("{:?}", BlobCheck::new(&first, &[0; 12]))] {
        assert!(text.ends_with("(..)"), "{text}");
    }
}

proptest! {
    /// The same bytes as the house's own cipher makes in one call, whatever the pieces.
    #[test]
    fn in_pieces_as_in_one(
        plain in proptest::collection::vec(any::<u8>(), 0..700),
        iv in any::<[u8; 12]>(),
        pieces in proptest::collection::vec(1_usize..80, 1..6),
        others in proptest::collection::vec(1_usize..80, 1..6),
    ) {
        let blob = seal(iv, &plain, &pieces);
        let mut body = plain.clone();
        let tag = Cipher::new(key().expose()).seal(&iv, &[], &mut body).unwrap();
        prop_assert_eq!(&blob, &[&iv[..], &body, &tag].concat());
        prop_assert_eq!(open(&key(), &blob, &others).unwrap(), plain);
    }

    /// Any range by itself.
    #[test]
    fn ranges_open_alone(start in 0_usize..5000, len in 0_usize..600) {
        let plain = plaintext(5000);
        let blob = seal([3; 12], &plain, &[4096]);
        let end = (start + len).min(plain.len());
        let mut check = BlobCheck::new(&key(), &[3; 12]);
        check.update(&blob[12..5012]);
        let mut opener = check.finish(blob.last_chunk().unwrap()).unwrap();
        let mut range = blob[12 + start..12 + end].to_vec();
        opener.open_at(start as u64, &mut range).unwrap();
        prop_assert_eq!(&range, &plain[start..end]);
    }
}
