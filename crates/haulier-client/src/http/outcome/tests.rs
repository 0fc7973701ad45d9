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
fn texts_of_a_server_cannot_steer_the_terminal() {
    let body = serde_json::to_vec(&Problem::new(ProblemType::InvalidNumbers).with_detail("a\u{1b}[2Jb\r\n")).unwrap();
    let error = of_answer(400, &headers(PROBLEM_JSON, None), &body).into_error("s", Role::Owner);
    assert_eq!(error.to_string(), "the server refused: 400 a[2Jb");
}
