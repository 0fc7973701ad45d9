//! Which bodies are JSON with a payload inside.

use super::*;

#[test]
fn only_json_with_base64_in_data_is_unwrapped() {
    for (body, payload) in [
        (r#"{"data":"aGVsbG8="}"#, Some("hello")),
        (r#"{"data":""}"#, Some("")),
        (r#" {"data":"aGVsbG8="}"#, Some("hello")),
        (r#"{"other":[{}],"data":"aGVsbG8\u003d"}"#, Some("hello")),
        (r#"{"data":"aGVsbG8"}"#, None),
        (r#"{"data":"aGVsbG8=\n"}"#, None),
        (r#"{"data":7}"#, None),
        (r#"{"data":null}"#, None),
        (r#"{"data":"aGVsbG8=","data":"aGVsbG8="}"#, None),
        (r#"{"Data":"aGVsbG8="}"#, None),
        (r#"{"data":"aGVsbG8="}x"#, None),
        (r#"{"data":"aGVsbG8="#, None),
        ("{}", None),
        ("{", None),
        ("{\u{0}\u{1}", None),
    ] {
        assert_eq!(payload_in_json(body.as_bytes()).as_deref(), payload.map(str::as_bytes), "{body}");
    }
    assert_eq!(payload_in_json(b"{\xff\xfe"), None);
}
