//! One value, one text.

use super::*;

#[test]
fn base64url_has_one_spelling() {
    for (bytes, text) in [(&b""[..], ""), (b"\0", "AA"), (b"\xfb\xff", "-_8"), (b"abc", "YWJj")] {
        assert_eq!((to_base64url(bytes), from_base64url(text).as_deref()), (text.to_owned(), Some(bytes)));
    }
    // Padding, the other alphabet, white space, unused bits, a length that no bytes have.
    for text in ["AA==", "+/8", "YW Jj", "YWJj\n", "AB", "-_9", "A", "é"] {
        assert_eq!(from_base64url(text), None, "{text}");
        assert!(serde_json::from_value::<Base64Url>(text.into()).is_err(), "{text}");
    }
}

#[test]
fn base64_has_one_spelling() {
    for (bytes, text) in [(&b""[..], ""), (b"\0", "AA=="), (b"\xfb\xff", "+/8="), (b"abc", "YWJj")] {
        assert_eq!((to_base64(bytes), from_base64(text).as_deref()), (text.to_owned(), Some(bytes)));
    }
    for text in ["AA", "AA=", "-_8=", "AB==", "AA==\n", "YWJj="] {
        assert_eq!(from_base64(text), None, "{text}");
    }
}

#[test]
fn hex_has_one_spelling() {
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(from_hex(&to_hex(&every)), Some(every));
    assert_eq!(to_hex(&[0, 0x0f, 0xf0, 0xff]), "000ff0ff");
    for text in ["0", "0F", "0g", "0x", " 0", "é"] {
        assert_eq!(from_hex(text), None, "{text}");
    }
}

#[test]
fn bytes_are_not_shown_by_debug() {
    assert_eq!(format!("{:?}", Base64Url(vec![1, 2, 3])), "Base64Url(3 bytes)");
}
