//! Codes and statuses as the stores send them.

use super::*;

fn kind(code: &str, status: u16) -> &'static str {
    match of_answer(status, code, "") {
        Failure::Absent => "absent",
        Failure::Full => "full",
        Failure::Overloaded(_) => "overloaded",
        Failure::Away(_) => "away",
        Failure::Refused(_) => "refused",
    }
}

#[test]
fn each_answer_calls_for_something_else() {
    for (code, status, expected) in [
        ("NoSuchKey", 404, "absent"),
        ("", 404, "absent"),
        ("InvalidRange", 416, "absent"),
        ("NoSuchBucket", 404, "refused"),
        ("XMinioStorageFull", 507, "full"),
        ("QuotaExceeded", 403, "full"),
        ("", 507, "full"),
        ("SlowDown", 503, "overloaded"),
        ("SlowDownWrite", 503, "overloaded"),
        ("ServiceUnavailable", 503, "overloaded"),
        ("", 429, "overloaded"),
        ("InternalError", 500, "away"),
        // Found out after the head of the answer had left.
        ("InternalError", 200, "away"),
        ("ServiceUnavailable", 200, "overloaded"),
        ("NoSuchUpload", 200, "absent"),
        ("RequestTimeout", 400, "away"),
        ("BadDigest", 400, "away"),
        ("InvalidDigest", 400, "away"),
        ("", 502, "away"),
        ("AccessDenied", 403, "refused"),
        ("SignatureDoesNotMatch", 403, "refused"),
        ("InvalidArgument", 400, "refused"),
        ("NotImplemented", 501, "refused"),
        ("PermanentRedirect", 301, "refused"),
    ] {
        assert_eq!(kind(code, status), expected, "{status} {code}");
    }
}

#[test]
fn a_full_disk_as_garage_and_minio_tell_it() {
    let garage = "Internal error: Could not reach quorum of 1 (sets=Some(1)). 0 of 1 request succeeded, others returned \
                  errors: [\"2deb34: IO error: No space left on device (os error 28)\"]";
    let minio = "We encountered an internal error, please try again.: cause(no space left on device)";
    assert!(matches!(of_answer(503, "ServiceUnavailable", garage), Failure::Full));
    assert!(matches!(of_answer(500, "InternalError", minio), Failure::Full));
    assert!(matches!(of_answer(200, "InternalError", minio), Failure::Full));
}

#[test]
fn a_failure_reaches_the_use_cases_as_what_they_can_act_upon() {
    assert!(matches!(of_answer(507, "", "").into(), StoreError::Full));
    assert!(matches!(of_answer(503, "SlowDown", "").into(), StoreError::Unavailable(_)));
    assert!(matches!(of_answer(500, "InternalError", "").into(), StoreError::Unavailable(_)));
    assert!(matches!(of_answer(403, "AccessDenied", "").into(), StoreError::Internal(_)));
}
