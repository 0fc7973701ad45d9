//! Ids and token hashes have one spelling.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn an_id_has_12_or_32_lowercase_hex_digits() {
    for text in [ID, "0123456789ab", &"f".repeat(32)] {
        let id: TransferId = text.parse().unwrap_or_else(|_| panic!("{text}"));
        assert_eq!((id.as_str(), id.to_string()), (text, text.to_owned()));
        assert_eq!(id.is_legacy(), text.len() == 12);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<TransferId>(&format!("\"{text}\"")).unwrap(), id);
    }
    let uppercase = ID.to_uppercase();
    let nearly = format!("{}g", &ID[..31]);
    let accented = format!("{}é", &ID[..30]);
    let spaced = format!(" {}", &ID[..31]);
    let refused =
        ["", "0", &ID[..11], &ID[..13], &ID[..31], &format!("{ID}0"), &uppercase, &nearly, &accented, &spaced];
    for text in refused {
        assert_eq!(text.parse::<TransferId>(), Err(ParseIdError::TransferId), "{text}");
    }
    assert!(serde_json::from_str::<TransferId>("12").is_err());
}

#[test]
fn random_bytes_become_their_hex_digits() {
    let bytes = std::array::from_fn(|place| u8::try_from(place * 17).unwrap());
    let id = TransferId::from_random_bytes(bytes);
    assert_eq!(id.as_str(), "00112233445566778899aabbccddeeff");
    assert!(!id.is_legacy());
}

#[test]
fn a_legacy_id_is_never_the_beginning_of_a_long_one() {
    let short: TransferId = ID[..12].parse().unwrap();
    let padded: TransferId = format!("{}{}", &ID[..12], "0".repeat(20)).parse().unwrap();
    assert_ne!(short, padded);
    assert!(short.is_legacy());
}

#[test]
fn a_token_hash_has_64_lowercase_hex_digits_and_is_never_shown() {
    let text = ID.repeat(2);
    let hash: TokenHash = text.parse().unwrap();
    assert_eq!(hash.as_str(), text);
    assert_eq!(hash, TokenHash::from_digest(&crate::encoding::from_hex(&text).unwrap().try_into().unwrap()));
    assert_eq!(format!("{hash:?}"), "TokenHash(..)");
    for text in [&text[..63], &format!("{text}0"), &text.to_uppercase(), &format!("{}g", &text[..63]), ""] {
        assert_eq!(text.parse::<TokenHash>(), Err(ParseIdError::TokenHash), "{text}");
    }
}
