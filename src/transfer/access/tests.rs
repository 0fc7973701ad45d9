//! What a token is, and who may pass.

use super::*;

fn token(text: &str) -> Token {
    Token::new(text).unwrap_or_else(|| panic!("{text:?} is a token"))
}

#[test]
fn a_token_is_1_to_256_visible_ascii_bytes() {
    for text in ["a", "~!\"#$%&'()*+,-./:;<=>?@[]^_`{|}", &"x".repeat(MAX_TOKEN_BYTES)] {
        assert!(token(text).is_same(&token(text)));
    }
    for text in ["", " ", "a b", "a\tb", "a\n", "\u{7f}", "é", "a\0", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
        assert!(Token::new(text).is_none(), "{text:?}");
    }
    assert!(!token("a").is_same(&token("b")));
    assert!(!token("a").is_same(&token("aa")));
}

#[test]
fn a_hash_is_the_sha_256_of_the_text() {
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(token("abc").hash().as_str(), known);
}

#[test]
fn who_may_pass() {
    let (ours, other) = (token("ours"), token("other"));
    let stored = ours.hash();
    assert!(check(Some(&ours), Some(&stored)).is_ok());
    assert!(matches!(check(Some(&other), Some(&stored)), Err(TransferError::WrongToken)));
    assert!(matches!(check(Some(&token(stored.as_str())), Some(&stored)), Err(TransferError::WrongToken)), "the hash");
    assert!(matches!(check(None, Some(&stored)), Err(TransferError::MissingToken)));
    assert!(check(None, None).is_ok());
    assert!(check(Some(&other), None).is_ok());
}

#[test]
fn a_token_is_not_shown() {
    assert_eq!(format!("{:?}", token("secret")), "Token(..)");
}
