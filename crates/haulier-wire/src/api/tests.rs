//! Bodies: what is read, what is refused, what is written.

use serde_json::{Value, from_value, json, to_value};

use super::*;
use crate::encoding::to_base64url;
use crate::kind::IvStrategy;
use crate::kind::MixedKind;

fn full() -> Value {
    json!({
        "transfer_id": "00112233445566778899aabbccddeeff",
        "total_chunks": 1,
        "chunk_size": 65536,
        "file_size": 1,
        "encryption": encryption("prefix-counter"),
        "sealed_metadata": to_base64url(&[7; 28]),
        "key_check": to_base64url(&[8; 32]),
        "owner_token_hash": "1".repeat(64),
        "download_token_hash": "2".repeat(64),
    })
}

fn encryption(iv_strategy: &str) -> Value {
    json!({"algorithm": "AES-256-GCM", "iv_strategy": iv_strategy, "tag_length": 128, "aad_format": "json"})
}

fn kdf() -> Value {
    json!({"name": "PBKDF2", "hash": "SHA-256", "iterations": 600_000, "salt": to_base64url(&[9; 16])})
}

/// `value` with one member set, or taken away.
fn with(mut value: Value, member: &str, to: Option<Value>) -> Value {
    let object = value.as_object_mut().expect("an object");
    match to {
        Some(to) => object.insert(member.to_owned(), to),
        None => object.remove(member),
    };
    value
}

#[test]
fn encryption_is_one_object_with_one_spelling() {
    for (text, strategy) in [("counter", IvStrategy::Counter), ("prefix-counter", IvStrategy::PrefixCounter)] {
        let read: Encryption = from_value(encryption(text)).unwrap();
        assert_eq!(read, Encryption::v1(strategy));
        assert_eq!(to_value(read).unwrap(), encryption(text));
    }
    let good = encryption("counter");
    let refused = [
        json!(["AES-256-GCM", "counter", 128, "json"]),
        with(good.clone(), "algorithm", Some("aes-256-gcm".into())),
        with(good.clone(), "algorithm", Some(json!({"AES-256-GCM": null}))),
        with(good.clone(), "iv_strategy", Some("random".into())),
        with(good.clone(), "iv_strategy", Some(json!({"counter": null}))),
        with(good.clone(), "tag_length", Some(96.into())),
        with(good.clone(), "tag_length", Some("128".into())),
        with(good.clone(), "aad_format", Some("none".into())),
        with(good.clone(), "aad_format", Some(json!({"json": null}))),
        with(good.clone(), "key", Some("x".into())),
        with(good, "algorithm", None),
    ];
    for value in refused {
        assert!(from_value::<Encryption>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn kdf_is_pbkdf2_with_600000_iterations_and_16_bytes_of_salt() {
    let read: Kdf = from_value(kdf()).unwrap();
    assert_eq!(read.salt, [9; 16]);
    assert_eq!(to_value(read).unwrap(), kdf());
    let refused = [
        json!(["PBKDF2", "SHA-256", 600_000, to_base64url(&[9; 16])]),
        with(kdf(), "name", Some("pbkdf2".into())),
        with(kdf(), "hash", Some("SHA-1".into())),
        with(kdf(), "iterations", Some(599_999.into())),
        with(kdf(), "iterations", Some(600_001.into())),
        with(kdf(), "iterations", None),
        with(kdf(), "salt", Some(to_base64url(&[9; 15]).into())),
        with(kdf(), "salt", Some(to_base64url(&[9; 17]).into())),
        with(kdf(), "salt", Some(format!("{}==", to_base64url(&[9; 16])).into())),
        with(kdf(), "salt", Some(to_base64url(&[255; 16]).replace('_', "/").into())),
        // The last character carries 4 unused bits.
        with(kdf(), "salt", Some(format!("{}B", "A".repeat(21)).into())),
        with(kdf(), "pepper", Some(1.into())),
    ];
    for value in refused {
        assert!(from_value::<Kdf>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn bodies_are_objects_and_never_arrays() {
    assert!(from_value::<CreateRequest>(full()).is_ok());
    let in_order: Vec<Value> = full().as_object().expect("an object").values().cloned().collect();
    assert!(from_value::<CreateRequest>(in_order.into()).is_err());
    assert!(from_value::<UpdateRequest>(json!([null, null, null])).is_err());
    assert!(from_value::<CompleteRequest>(json!([null])).is_err());
    assert!(from_value::<Manifest>(json!([])).is_err());
}

fn check(value: Value) -> Result<TransferKind, CreateError> {
    from_value::<CreateRequest>(value).expect("well formed").check().map(|(kind, _)| kind)
}

#[test]
fn a_create_request_must_not_contradict_itself() {
    assert_eq!(check(full()), Ok(TransferKind::Full));
    assert_eq!(check(with(full(), "kdf", Some(kdf()))), Ok(TransferKind::Full));
    assert_eq!(check(with(full(), "sealed_metadata", None)), Ok(TransferKind::Full), "complete may bring it");
    let bytes = |len| Some(to_base64url(&vec![7; len]).into());
    let cases = [
        (with(full(), "total_chunks", Some(2.into())), CreateError::Layout(LayoutError::TotalChunks)),
        (with(full(), "chunk_size", Some(0.into())), CreateError::Layout(LayoutError::ChunkSize)),
        (with(full(), "owner_token_hash", None), MixedKind::TokenHashMissing.into()),
        (with(full(), "download_token_hash", None), MixedKind::TokenHashMissing.into()),
        (with(full(), "transfer_id", None), MixedKind::ShortId.into()),
        (with(full(), "key_check", None), MixedKind::KeyCheckMissing.into()),
        (with(full(), "key_check", bytes(31)), CreateError::KeyCheckSize),
        (with(full(), "key_check", bytes(33)), CreateError::KeyCheckSize),
        (with(full(), "sealed_metadata", bytes(27)), CreateError::SealedMetadataSize),
        (with(full(), "sealed_metadata", bytes(MAX_SEALED_METADATA_BYTES + 1)), CreateError::SealedMetadataSize),
    ];
    for (value, error) in cases {
        assert_eq!(check(value.clone()), Err(error), "{value:.200}");
    }
    assert_eq!(check(with(full(), "sealed_metadata", bytes(MAX_SEALED_METADATA_BYTES))), Ok(TransferKind::Full));
    let both = with(full(), "expires_in_seconds", Some(60.into()));
    let both = with(both, "expires_at", Some("2030-01-01T00:00:00Z".into()));
    assert_eq!(check(both), Err(CreateError::TwoExpiries));
}

#[test]
fn the_legacy_name_of_the_owner_token_hash_is_read_and_never_written() {
    let legacy = with(full(), "owner_token_hash", None);
    let legacy = with(legacy, "delete_auth_hash", Some("1".repeat(64).into()));
    let request: CreateRequest = from_value(legacy.clone()).unwrap();
    assert_eq!(to_value(request).unwrap(), full());
    let twice = with(legacy, "owner_token_hash", Some("1".repeat(64).into()));
    assert!(from_value::<CreateRequest>(twice).is_err(), "one member under two names is given twice");
}

#[test]
fn a_body_of_the_largest_sealed_metadata_fits_the_cap() {
    let mut largest = with(full(), "sealed_metadata", Some(to_base64url(&vec![7; MAX_SEALED_METADATA_BYTES]).into()));
    largest = with(largest, "kdf", Some(kdf()));
    largest = with(largest, "expires_at", Some("2030-01-01T00:00:00.000Z".into()));
    assert!(serde_json::to_vec(&largest).unwrap().len() <= crate::limit::MAX_JSON_BODY_BYTES);
}
