//! What the older system's create takes.

use serde_json::{Value, json};

use super::*;

fn check(body: Value) -> Result<CheckedPayload, PayloadRequestError> {
    serde_json::from_value::<PayloadRequest>(body).expect("the right types").check()
}

#[test]
fn everything_may_be_left_out_or_empty() {
    let empty = CheckedPayload {
        file_size: ByteLen::MIN,
        content_type_hint: String::new(),
        transfer_id: None,
        max_downloads: 0,
        auto_delete: false,
        expires_at: None,
        delete_auth_hash: None,
    };
    assert_eq!(check(json!({})), Ok(empty.clone()));
    let texts = json!({"content_type_hint": "", "transfer_id": "", "expires_at": "", "delete_auth_hash": ""});
    assert_eq!(check(texts), Ok(empty.clone()));
    let nulls = json!({"file_size_bytes": null, "transfer_id": null, "expires_at": null, "auto_delete": null});
    assert_eq!(check(nulls), Ok(empty));
    let unknown = json!({"max_download": 1});
    assert!(serde_json::from_value::<PayloadRequest>(unknown).is_err(), "a limit that was misspelt is no limit");
}

#[test]
fn texts_are_what_they_must_be() {
    use PayloadRequestError as Error;
    let longest = "t".repeat(MAX_CONTENT_TYPE_HINT_BYTES);
    for (member, good, bad, error) in [
        (
            "transfer_id",
            vec!["a1b2c3d4e5f6"],
            vec!["A1B2C3D4E5F6", "a1b2c3/../5f6", "a1b2c3d4e5f", "00112233445566778899aabbccddeeff", " "],
            Error::TransferId,
        ),
        (
            "expires_at",
            vec!["2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00.123456+01:00"],
            vec!["2030-01-01T00:00:00", "2030-01-01", "garbage", "1893456000", " "],
            Error::ExpiresAt,
        ),
        (
            "delete_auth_hash",
            vec!["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
            vec!["2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98A5E886266E7AE", "foo"],
            Error::DeleteAuthHash,
        ),
        (
            "content_type_hint",
            vec!["text/plain", "kein Typ, aber höflich", &longest],
            vec!["a\nb", "\0", "ttttttttt\u{7f}"],
            Error::ContentTypeHint,
        ),
    ] {
        for text in good {
            assert!(check(json!({ member: text })).is_ok(), "{member} {text}");
        }
        for text in bad {
            assert_eq!(check(json!({ member: text })), Err(error), "{member} {text}");
        }
    }
    assert_eq!(check(json!({"content_type_hint": longest + "t"})), Err(Error::ContentTypeHint));
}

#[test]
fn numbers_are_whole_and_in_range() {
    for member in ["file_size_bytes", "max_downloads"] {
        for good in [json!(0), json!((1_u64 << 53) - 1)] {
            assert!(serde_json::from_value::<PayloadRequest>(json!({ member: good })).is_ok(), "{member}");
        }
        for bad in [json!(-5), json!(1_u64 << 53), json!("5"), json!("abc"), json!(1.5), json!([])] {
            assert!(serde_json::from_value::<PayloadRequest>(json!({ member: bad })).is_err(), "{member} {bad}");
        }
    }
    for bad in
        [r#"{"auto_delete":1}"#, r#"{"auto_delete":"true"}"#, r#"{"file_size_bytes":1,"file_size_bytes":2}"#, "[]"]
    {
        assert!(serde_json::from_str::<PayloadRequest>(bad).is_err(), "{bad}");
    }
}
