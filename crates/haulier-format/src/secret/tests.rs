//! Secrets show nothing, and passphrases are normalised.

use super::*;
use crate::test_rng::CountingRng;

#[test]
fn passphrases_are_normalised_and_bounded() {
    assert_eq!(Passphrase::new("e\u{301}").unwrap().as_bytes(), "é".as_bytes());
    assert_eq!(Passphrase::new(" a ").unwrap().as_bytes(), b" a ");
    assert!(Passphrase::new(&"x".repeat(1024)).is_ok());
    for refused in ["", "a\nb", "a\u{7f}", "\u{85}", "\0", &"x".repeat(1025), &"é".repeat(513)] {
        assert_eq!(Passphrase::new(refused).unwrap_err(), Error::Passphrase, "{refused:?}");
    }
    // 1026 bytes before NFC, 684 after it.
    assert!(Passphrase::new(&"e\u{301}".repeat(342)).is_ok());
}

#[test]
fn generated_passphrases_have_80_bits_in_four_groups() {
    let text = generate_passphrase(&mut CountingRng::new(3));
    assert_eq!(text.len(), 19);
    assert!(text.split('-').all(|group| group.len() == 4));
    assert!(Passphrase::new(&text).is_ok());
    let mut letters = PASSPHRASE_LETTERS.to_vec();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters.len(), 32);
}

#[test]
fn nothing_secret_is_in_debug() {
    let key = LinkKey::from_bytes([0x41; 32]);
    assert_eq!(format!("{key:?}"), "LinkKey(..)");
    let token = OwnerToken::from_array(&[0x41; 32]);
    assert_eq!(format!("{token:?}"), "OwnerToken(..)");
    assert_eq!(format!("{:?}", Passphrase::new("secret").unwrap()), "Passphrase(..)");
    assert_eq!(format!("{:?}", KeyCheck([1; 32])), "KeyCheck(..)");
}

#[test]
fn key_checks_match_only_themselves() {
    let check = KeyCheck([5; 32]);
    assert!(check.matches(&[5; 32]));
    let mut other = [5; 32];
    other[31] ^= 1;
    for other in [&other[..], &[5; 31], &[5; 33], &[]] {
        assert!(!check.matches(other));
    }
}

#[test]
fn tokens_are_43_characters() {
    assert_eq!(OwnerToken::from_array(&[255; 32]).as_str().len(), 43);
}
