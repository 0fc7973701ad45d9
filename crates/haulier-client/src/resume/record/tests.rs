//! What is read as a record, and what as damage.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::*;

const ID: &str = "00112233445566778899aabbccddeeff";
const LEGACY_ID: &str = "a1b2c3d4e5f6";

/// As the first version wrote it.
fn first_version() -> Value {
    json!({
        "v": 1, "transfer_id": ID, "server": "https://a.example", "owner_token": "secret", "name": "a.txt",
        "file_size": 5, "sent_at": "2026-01-01T00:00:00Z", "completed_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-08T00:00:00Z",
    })
}

fn changed(changes: &Value) -> Value {
    let mut record = first_version();
    for (name, value) in changes.as_object().unwrap() {
        record[name.as_str()] = value.clone();
    }
    record
}

fn read(record: &Value) -> Option<SentRecord> {
    let dir = tempdir().unwrap();
    let path = dir.path().join(format!("{}.json", record["transfer_id"].as_str().unwrap()));
    fs::write(&path, record.to_string()).unwrap();
    read_record(&path)
}

#[test]
fn what_the_first_version_wrote_is_read_and_written_as_it_was() {
    let record = read(&first_version()).unwrap();
    assert_eq!((record.sent_as, record.owner_token.as_str()), (SentAs::Chunks, "secret"));
    assert_eq!(record.max_downloads, None, "it may have a limit, or none");
    assert_eq!(serde_json::to_value(&record).unwrap(), first_version(), "an older version reads it as well");
}

#[test]
fn a_blobs_record_says_so_and_may_have_no_end() {
    for end in [Value::Null, json!("2026-01-08T00:00:00Z")] {
        let written = changed(&json!({ "v": 2, "sent_as": "legacy", "transfer_id": LEGACY_ID, "expires_at": end }));
        let record = read(&written).unwrap();
        assert_eq!((record.sent_as, record.expires_at.is_none()), (SentAs::Legacy, end.is_null()));
        assert_eq!(serde_json::to_value(&record).unwrap(), written);
        assert!(!format!("{record:?}").contains("secret"));
    }
}

#[test]
fn a_limit_of_downloads_is_kept_and_none_is_kept_as_none() {
    for limit in [0, 3] {
        let written = changed(&json!({ "max_downloads": limit }));
        let record = read(&written).unwrap();
        assert_eq!(record.max_downloads, Some(limit));
        assert_eq!(serde_json::to_value(&record).unwrap(), written);
    }
}

#[test]
fn what_contradicts_itself_or_is_of_a_later_version_is_no_record() {
    for changes in [
        json!({ "v": 2 }),
        json!({ "v": 3 }),
        json!({ "v": 1, "sent_as": "legacy" }),
        json!({ "v": 2, "sent_as": "rocket" }),
        json!({ "expires_at": null }),
    ] {
        assert!(read(&changed(&changes)).is_none(), "{changes}");
    }
}
