//! What an answer means: done, again later, or never.

use reqwest::header::HeaderValue;

use super::*;

fn headers(content_type: &'static str, retry_after: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(value) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
    }
    headers
}

fn problem(kind: ProblemType) -> Vec<u8> {
    serde_json::to_vec(&Problem::new(kind)).unwrap()
}

#[test]
fn passing_trouble_is_tried_again_after_what_the_server_asks() {
    for (status, header, expected) in
        [(503, Some("7"), Some(7)), (429, Some("100000"), Some(120)), (500, None, None), (408, Some("soon"), None)]
    {
        let outcome = of_answer(status, &headers("text/html", header), b"");
        let CallError::Again { after, .. } = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(after, expected.map(Duration::from_secs), "{status}");
    }
}

#[test]
fn a_full_disk_says_so() {
    let body = problem(ProblemType::InsufficientStorage);
    let outcome = of_answer(507, &headers(PROBLEM_JSON, None), &body);
    assert!(matches!(outcome, CallError::Again { reason, .. } if reason.contains("disk is full")));
}

#[test]
fn only_a_413_without_a_problem_is_a_proxy() {
    assert_eq!(of_answer(413, &headers("text/html", None), b"<html>"), CallError::ProxyTooLarge);
    let body = problem(ProblemType::BodyTooLarge);
    let outcome = of_answer(413, &headers(PROBLEM_JSON, None), &body);
    assert_eq!(outcome.problem(), Some(ProblemType::BodyTooLarge));
}

#[test]
fn what_no_server_of_ours_says_is_told_as_such() {
    let outcome = of_answer(404, &headers("text/html", None), b"<html>");
    assert!(matches!(outcome.into_error("s", Role::Download), Error::NotHaulier { .. }));
    let lost = CallError::Problem(Box::new(Problem::new(ProblemType::ChunkNotFound)));
    assert!(matches!(lost.into_error("s", Role::Download), Error::Protocol { .. }));
}

#[test]
fn redirects_are_final() {
    assert_eq!(of_answer(307, &headers("text/html", None), b""), CallError::Redirect(307));
}

#[test]
fn a_wrong_token_means_what_the_token_was_for() {
    let wrong = || CallError::Problem(Box::new(Problem::new(ProblemType::WrongToken)));
    assert!(matches!(wrong().into_error("s", Role::Download), Error::WrongKey { .. }));
    assert!(matches!(wrong().into_error("s", Role::Access { given: true }), Error::AccessToken { given: true }));
    assert!(matches!(wrong().into_error("s", Role::Owner), Error::Refused { .. }));
}

#[test]
fn a_download_that_is_used_up_is_not_the_end_of_the_transfer() {
    let error = |kind| CallError::Problem(Box::new(Problem::new(kind))).into_error("s", Role::Download);
    let used_up = error(ProblemType::LeaseUsedUp);
    assert!(matches!(used_up, Error::LeaseUsedUp) && !used_up.is_for_good(), "others may be left");
    let spent = error(ProblemType::TransferExhausted);
    assert!(matches!(spent, Error::Exhausted) && spent.is_for_good());
}

#[test]
fn texts_of_a_server_cannot_steer_the_terminal() {
    let body = serde_json::to_vec(&Problem::new(ProblemType::InvalidNumbers).with_detail("a\u{1b}[2Jb\r\n")).unwrap();
    let error = of_answer(400, &headers(PROBLEM_JSON, None), &body).into_error("s", Role::Owner);
    assert_eq!(error.to_string(), "the server refused: 400 a[2Jb");
}

#[test]
fn the_legacy_systems_texts_are_understood() {
    let json = headers("application/json", None);
    let said = |status: u16, body: &str| of_legacy_answer(status, &json, body.as_bytes());
    let error = |status: u16, body: &str| said(status, body).into_error("https://x", Role::Download);
    assert!(matches!(error(404, r#"{"detail":"Transfer not found"}"#), Error::NotFound));
    assert!(matches!(error(410, r#"{"detail":"expired"}"#), Error::Expired));
    assert!(matches!(error(410, r#"{"detail":"exhausted"}"#), Error::Exhausted));
    assert!(matches!(error(413, r#"{"detail":"File too large"}"#), Error::Refused { .. }));
    let token = said(401, r#"{"detail":"Invalid access token"}"#).into_error("https://x", Role::Access { given: true });
    assert!(matches!(token, Error::AccessToken { given: true }));
    // A list of what is wrong, and control characters, are not shown.
    assert!(matches!(said(400, r#"{"detail":[{"msg":"no"}]}"#), CallError::Legacy { status: 400, .. }));
    assert_eq!(said(409, "{\"detail\":\"a\\u001b[1mb\"}"), CallError::Legacy { status: 409, detail: "a[1mb".into() });
    // Anything else is judged as everywhere.
    assert!(matches!(said(500, r#"{"detail":"An unexpected error occurred."}"#), CallError::Again { .. }));
    assert!(matches!(said(404, "<html>"), CallError::Foreign(_)));
    assert_eq!(said(413, "<html>"), CallError::ProxyTooLarge);
}
