//! What the answers of both kinds of servers mean.

use serde_json::{Value, json};

use super::*;

/// As the legacy system answers, with changes.
fn legacy(changes: &Value) -> Result<Inspected, Error> {
    let mut answer = json!({
        "transfer_id": "a1b2c3d4e5f6", "status": "completed", "file_size_bytes": 35, "content_type_hint": "",
        "created_at": "2026-11-21T08:50:40.520906+00:00", "download_count": 1, "max_downloads": 3, "expires_at": "",
        "downloads_remaining": 2, "is_expired": false,
    });
    for (name, value) in changes.as_object().unwrap() {
        answer[name.as_str()] = value.clone();
    }
    of_blob(&serde_json::from_value(answer).unwrap())
}

#[test]
fn a_blob_is_one_piece_that_may_never_end() {
    let blob = legacy(&json!({})).unwrap();
    assert_eq!((blob.state, blob.file_size, blob.total_chunks), (TransferState::Completed, 35, None));
    assert_eq!((blob.download_count, blob.max_downloads, blob.end), (1, 3, End::Never));
    assert_eq!(blob.created_at, Some("2026-11-21T08:50:40.520906Z".parse().unwrap()));
    let until = legacy(&json!({ "expires_at": "2030-01-01T00:00:00+00:00" })).unwrap();
    assert_eq!(until.end, End::At("2030-01-01T00:00:00Z".parse().unwrap()));
    let ours = legacy(&json!({ "format": "payload", "status": "pending" })).unwrap();
    assert_eq!((ours.state, ours.end), (TransferState::Pending, End::AfterComplete));
    assert_eq!(legacy(&json!({ "created_at": "yesterday" })).unwrap().created_at, None);
}

#[test]
fn what_has_ended_is_an_error_as_for_all_transfers() {
    for (changes, expected) in [
        (json!({ "status": "deleted" }), Error::Deleted),
        (json!({ "status": "expired" }), Error::Expired),
        (json!({ "is_expired": true }), Error::Expired),
        (json!({ "status": "on fire" }), Error::Protocol { what: "the transfer is in a state that is none".into() }),
    ] {
        assert_eq!(legacy(&changes).unwrap_err().to_string(), expected.to_string());
    }
    assert_eq!(legacy(&json!({ "status": "exhausted" })).unwrap().state, TransferState::Exhausted);
}
