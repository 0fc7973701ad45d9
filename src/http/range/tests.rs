//! Conditions and ranges, as RFC 9110 reads them.

use actix_web::test::TestRequest;

use super::*;

const LEN: u64 = 1000;

fn etag() -> EntityTag {
    EntityTag::new_strong("abc".to_owned())
}

fn request(headers: &[(&'static str, &'static str)]) -> HttpRequest {
    headers.iter().fold(TestRequest::get(), |request, header| request.append_header(*header)).to_http_request()
}

/// Status, and the part when there is one.
fn selected(headers: &[(&'static str, &'static str)]) -> (u16, Option<Range<u64>>) {
    match select(&request(headers), etag(), LEN) {
        Selected::Done(response) => (response.status().as_u16(), None),
        Selected::Part(part) => (part.response().finish().status().as_u16(), Some(part.range)),
    }
}

#[test]
fn single_ranges_select_their_bytes() {
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-999", 0..1000),
        ("bytes=0-1000", 0..1000),
        ("bytes=0-18446744073709551615", 0..1000),
        ("bytes=999-999", 999..1000),
        ("bytes=999-", 999..1000),
        ("bytes=0-", 0..1000),
        ("bytes=-1", 999..1000),
        ("bytes=-1000", 0..1000),
        ("bytes=-1001", 0..1000),
        ("bytes=10-19", 10..20),
        ("bytes= 10-19 ", 10..20),
    ] {
        assert_eq!(selected(&[("range", range)]), (206, Some(expected)), "{range}");
    }
}

#[test]
fn what_lies_outside_is_416() {
    for range in ["bytes=1000-", "bytes=1000-1000", "bytes=1001-2000", "bytes=-0", "bytes=18446744073709551615-"] {
        assert_eq!(selected(&[("range", range)]), (416, None), "{range}");
    }
}

#[test]
fn what_is_not_one_range_of_bytes_is_no_range() {
    for range in [
        "bytes=0-1,2-3",
        "bytes=0-0,",
        "bytes=5-2",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=0x0-1",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=0 - 1",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=1.0-2",
        "bytes=0-18446744073709551616",
        "chunks=0-1",
        "0-1",
        "",
    ] {
        assert_eq!(selected(&[("range", range)]), (200, Some(0..LEN)), "{range}");
    }
}

#[test]
fn if_range_lets_the_range_hold_only_for_the_same_content() {
    for (if_range, status) in [
        ("\"abc\"", 206),
        ("\"abd\"", 200),
        ("W/\"abc\"", 200),
        ("Sat, 21 Nov 2026 13:49:23 GMT", 200),
        ("*", 200),
        ("abc", 200),
        ("", 200),
    ] {
        assert_eq!(selected(&[("range", "bytes=0-9"), ("if-range", if_range)]).0, status, "{if_range}");
        assert_eq!(selected(&[("if-range", if_range)]).0, 200, "{if_range} without a range");
    }
}

#[test]
fn if_none_match_is_304_for_the_same_content() {
    for (tags, status) in [
        ("\"abc\"", 304),
        ("W/\"abc\"", 304),
        ("\"x\", \"abc\"", 304),
        ("*", 304),
        ("\"abd\"", 200),
        ("\"x\", \"y\"", 200),
        ("abc", 200),
    ] {
        assert_eq!(selected(&[("if-none-match", tags)]).0, status, "{tags}");
        assert_eq!(unless_known(&request(&[("if-none-match", tags)]), &etag(), "no-cache").is_some(), status == 304);
    }
    assert_eq!(selected(&[("if-none-match", "\"abc\""), ("range", "bytes=5000-")]).0, 304, "before the range");
    assert!(unless_known(&request(&[]), &etag(), "no-cache").is_none());
}

#[test]
fn if_match_is_412_for_other_content() {
    for (tags, status) in [
        ("\"abc\"", 200),
        ("\"x\", \"abc\"", 200),
        ("*", 200),
        ("\"abd\"", 412),
        // A weak tag never says that the bytes are the same.
        ("W/\"abc\"", 412),
    ] {
        assert_eq!(selected(&[("if-match", tags)]).0, status, "{tags}");
    }
    let both = [("if-match", "\"abd\""), ("if-none-match", "\"abc\"")];
    assert_eq!(selected(&both).0, 412, "If-Match comes first");
}
