//! What a server says of the rest of a blob, and of a transfer.

use super::arrival::whole_of_the_rest;
use super::*;

#[test]
fn only_all_of_the_rest_is_the_rest() {
    for (range, expected) in [
        ("bytes 99-999/1000", Some(1000)),
        ("bytes 99-99/100", Some(100)),
        ("bytes 98-999/1000", None),
        ("bytes 99-998/1000", None),
        ("bytes 99-999/*", None),
        ("bytes 99-98/99", None),
        ("bytes */1000", None),
        ("99-999/1000", None),
        ("", None),
        ("bytes 99-18446744073709551615/0", None),
    ] {
        assert_eq!(whole_of_the_rest(range, 99), expected, "{range}");
    }
}

#[test]
fn both_systems_say_what_a_transfer_is() {
    let legacy = r#"{"transfer_id":"a1b2c3d4e5f6","status":"completed","file_size_bytes":5,"content_type_hint":"text/plain",
        "created_at":"2026-11-21T08:50:40.520906+00:00","download_count":0,"max_downloads":1,
        "expires_at":"2030-01-01T00:00:00+00:00","downloads_remaining":1,"is_expired":false}"#;
    let info: LegacyInfo = serde_json::from_str(legacy).unwrap();
    assert_eq!((info.status.as_str(), info.file_size_bytes, info.format), ("completed", 5, None));
    assert!(info.expires_at.parse::<haulier_wire::Timestamp>().is_ok());
    let seed = r#"{"transfer_id":"a1b2c3d4e5f6","status":"pending","file_size_bytes":5,"format":"seed"}"#;
    let info: LegacyInfo = serde_json::from_str(seed).unwrap();
    assert_eq!(info.format.as_deref(), Some("seed"));
    assert!(!info.is_expired);
}

#[test]
fn a_create_request_says_no_more_than_it_must() {
    let bare = LegacyCreate {
        file_size_bytes: 7,
        content_type_hint: "",
        max_downloads: None,
        expires_at: None,
        delete_auth_hash: TokenHash::from_digest(&[0xab; 32]),
    };
    let expected =
        format!(r#"{{"file_size_bytes":7,"content_type_hint":"","delete_auth_hash":"{}"}}"#, "ab".repeat(32));
    assert_eq!(serde_json::to_string(&bare).unwrap(), expected);
}
