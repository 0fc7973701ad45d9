//! Which of the older system's transfers can be taken.

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-28T12:00:00Z";

fn meta() -> Value {
    json!({"transfer_id": "a1b2c3d4e5f6", "status": "completed", "file_size_bytes": 5, "content_type_hint": "text/plain",
        "created_at": "2026-11-21T08:50:39.961450+00:00", "sender_ip_hash": "e3b0", "download_count": 2,
        "max_downloads": 3, "auto_delete": true, "expires_at": "2030-01-01T00:00:00+00:00",
        "delete_auth_hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "events": [{"action": "upload", "timestamp": "2026-11-21T08:50:40+00:00"},
            {"action": "complete", "timestamp": "2026-11-21T08:50:41+00:00"}, {"action": "download", "ip_hash": "x"}]})
}

fn check(meta: Value) -> Result<Wanted, Refused> {
    let meta: LegacyMeta = serde_json::from_value(meta).expect("the right types");
    meta.check("a1b2c3d4e5f6".parse().expect("an id"), NOW.parse().expect("a moment"))
}

fn with(member: &str, value: Value) -> Result<Wanted, Refused> {
    let mut meta = meta();
    meta[member] = value;
    check(meta)
}

#[test]
fn everything_that_counts_is_kept() {
    let wanted = check(meta()).expect("taken");
    let moment = |text: &str| text.parse::<Timestamp>().expect("a moment");
    assert_eq!((wanted.file_size, &*wanted.content_type_hint), (5, "text/plain"));
    assert_eq!(wanted.created_at, moment("2026-11-21T08:50:39.961450Z"));
    assert_eq!(wanted.completed_at, moment("2026-11-21T08:50:41Z"));
    assert_eq!((wanted.download_count, wanted.max_downloads, wanted.auto_delete), (2, 3, true));
    assert_eq!(wanted.expires_at, Some(moment("2030-01-01T00:00:00Z")));
    assert!(wanted.delete_auth_hash.is_some());
    let least = json!({"transfer_id": "a1b2c3d4e5f6", "status": "completed", "created_at": NOW});
    let wanted = check(least).expect("taken");
    assert_eq!((wanted.expires_at, wanted.completed_at), (None, wanted.created_at));
    assert_eq!(with("content_type_hint", json!("a\nb")).expect("taken").content_type_hint, "");
}

/// Whoever downloads does not need it.
#[test]
fn a_delete_auth_hash_that_no_token_matches_is_left_out() {
    let upper = "2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98A5E886266E7AE";
    for (hash, is_kept, is_strange) in
        [("", false, false), (&upper.to_lowercase(), true, false), (upper, false, true), ("foo", false, true)]
    {
        let wanted = with("delete_auth_hash", json!(hash)).expect("taken");
        let found = (wanted.delete_auth_hash.is_some(), wanted.has_strange_delete_auth_hash);
        assert_eq!(found, (is_kept, is_strange), "{hash}");
    }
}

#[test]
fn what_is_over_or_wrong_is_not_taken() {
    for (member, value, is_over) in [
        ("status", json!("pending"), true),
        ("status", json!("deleted"), true),
        ("status", json!("exhausted"), true),
        ("status", json!("strange"), false),
        ("download_count", json!(3), true),
        ("expires_at", json!(NOW), true),
        ("expires_at", json!("2030-01-01T00:00:00"), false),
        ("expires_at", json!("garbage"), false),
        ("created_at", json!(""), false),
        ("transfer_id", json!("a1b2c3d4e5f7"), false),
        ("file_size_bytes", json!(-5), false),
        ("max_downloads", json!(1_u64 << 53), false),
    ] {
        let refused = with(member, value.clone()).expect_err("not taken");
        assert_eq!(matches!(refused, Refused::Over(_)), is_over, "{member} {value}: {refused}");
    }
}
