//! Keys are separate, and bound to their transfer where they must be.

use haulier_wire::encoding::to_hex;

use super::*;

fn id() -> TransferId {
    "000102030405060708090a0b0c0d0e0f".parse().unwrap()
}

#[test]
fn every_label_gives_its_own_key() {
    let key = FileKey::from_array(&[1; 32]);
    let token = download_token(&key, &id());
    let keys = [
        to_hex(key.bytes()),
        to_hex(metadata_key(&key).bytes()),
        to_hex(key_check(&key, &id()).as_bytes()),
        to_hex(&haulier_wire::encoding::from_base64url(token.as_str()).unwrap()),
    ];
    let mut distinct = keys.to_vec();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn the_id_is_part_of_key_check_and_token() {
    let key = FileKey::from_array(&[1; 32]);
    let other = "000102030405060708090a0b0c0d0e10".parse().unwrap();
    assert!(!key_check(&key, &id()).matches(key_check(&key, &other).as_bytes()));
    assert_ne!(download_token(&key, &id()).as_str(), download_token(&key, &other).as_str());
}

#[test]
fn both_halves_of_link_and_passphrase_matter() {
    let combined = |link: u8, words: u8| {
        let link = LinkKey::from_bytes([link; 32]);
        to_hex(FileKey::from_link_and_passphrase(&link, &PassphraseKey::from_array(&[words; 32])).bytes())
    };
    assert_ne!(combined(1, 2), combined(1, 3));
    assert_ne!(combined(1, 2), combined(3, 2));
    assert_ne!(combined(1, 2), combined(2, 1));
}

/// RFC 5869, test case 3: HKDF-SHA-256 without salt and info.
#[test]
fn hkdf_is_rfc_5869() {
    assert_eq!(to_hex(&*hkdf(&[0x0b; 22], &[])), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

#[test]
fn token_hashes_are_sha_256_of_the_text() {
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(token_hash("abc").as_str(), hash);
}
