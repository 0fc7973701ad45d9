//! Conditional and ranged reads (RFC 9110, sections 13 and 14) of content that never changes.

use std::ops::Range;

use actix_web::http::header::{
    self, ContentRange, ContentRangeSpec, ETag, EntityTag, Header as _, HeaderValue, IfMatch, IfNoneMatch, IfRange,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use haulier_wire::{Problem, ProblemType};

use super::problem::render;

/// How long answers may be kept: chunks never change, and the links to them are private.
const CACHE_CONTENT: &str = "private, no-transform";

/// What a read answers.
#[derive(Debug)]
pub(super) enum Selected {
    /// 304, 412 or 416: no content follows.
    Done(HttpResponse),
    /// 200 or 206: this part of the content follows.
    Part(Part),
}

/// The part of the content that a read answers with.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    full_len: u64,
    is_partial: bool,
    etag: EntityTag,
}

/// Decides what a request gets of content with `full_len` bytes and a strong `etag`.
pub(super) fn select(request: &HttpRequest, etag: EntityTag, full_len: u64) -> Selected {
    if let Ok(IfMatch::Items(tags)) = IfMatch::parse(request)
        && request.headers().contains_key(header::IF_MATCH)
        && !tags.iter().any(|tag| tag.strong_eq(&etag))
    {
        let problem = Problem::new(ProblemType::PreconditionFailed).with_detail("If-Match names other content.");
        return Selected::Done(render(&problem));
    }
    if is_known(request, &etag) {
        return Selected::Done(not_modified(etag, CACHE_CONTENT));
    }
    match requested_range(request, &etag, full_len) {
        Requested::Whole => Selected::Part(Part { range: 0..full_len, full_len, is_partial: false, etag }),
        Requested::Part(range) => Selected::Part(Part { range, full_len, is_partial: true, etag }),
        Requested::Unsatisfiable => Selected::Done(unsatisfiable(full_len)),
    }
}

/// 304 when `If-None-Match` names the content.
pub(super) fn unless_known(
    request: &HttpRequest,
    etag: &EntityTag,
    cache_control: &'static str,
) -> Option<HttpResponse> {
    is_known(request, etag).then(|| not_modified(etag.clone(), cache_control))
}

impl Part {
    /// Starts the answer: status, length-independent headers, Content-Range when it is a part.
    pub(super) fn response(&self) -> HttpResponseBuilder {
        let status = if self.is_partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut response = HttpResponse::build(status);
        response
            .insert_header(ETag(self.etag.clone()))
            .insert_header((header::ACCEPT_RANGES, "bytes"))
            .insert_header((header::CACHE_CONTROL, CACHE_CONTENT))
            .insert_header((header::CONTENT_TYPE, "application/octet-stream"));
        if self.is_partial {
            response.insert_header(ContentRange(ContentRangeSpec::Bytes {
                range: Some((self.range.start, self.range.end - 1)),
                instance_length: Some(self.full_len),
            }));
        }
        response
    }

    /// Whether it is all of the content.
    pub(super) fn is_whole(&self) -> bool {
        self.range == (0..self.full_len)
    }
}

fn is_known(request: &HttpRequest, etag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(etag)),
        Err(_) => false,
    }
}

/// With the headers that 200 would have (RFC 9110, section 15.4.5).
fn not_modified(etag: EntityTag, cache_control: &'static str) -> HttpResponse {
    HttpResponse::NotModified().insert_header(ETag(etag)).insert_header((header::CACHE_CONTROL, cache_control)).finish()
}

fn unsatisfiable(full_len: u64) -> HttpResponse {
    let problem = Problem::new(ProblemType::RangeNotSatisfiable);
    let mut response = render(&problem.with_detail(format!("The content has {full_len} bytes.")));
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{full_len}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// A single range of bytes; several ranges, other units and what cannot be read count as no Range at all.
fn requested_range(request: &HttpRequest, etag: &EntityTag, full_len: u64) -> Requested {
    // RFC 9110, 14.2: a range is defined for GET alone.
    let value = request.headers().get(header::RANGE).filter(|_| request.method() == Method::GET);
    let Some(value) = value else { return Requested::Whole };
    if request.headers().contains_key(header::IF_RANGE) {
        match IfRange::parse(request) {
            Ok(IfRange::EntityTag(tag)) if tag.strong_eq(etag) => {}
            _ => return Requested::Whole,
        }
    }
    let single = value.to_str().ok().and_then(|text| text.strip_prefix("bytes=")).filter(|text| !text.contains(','));
    single.map_or(Requested::Whole, |text| parse_single(text.trim(), full_len))
}

fn parse_single(text: &str, full_len: u64) -> Requested {
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let Some((first, last)) = text.split_once('-') else { return Requested::Whole };
    let range = match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(suffix) => full_len.saturating_sub(suffix)..full_len,
            None => return Requested::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..full_len,
            None => return Requested::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..full_len.min(last.saturating_add(1)),
            _ => return Requested::Whole,
        },
    };
    if range.start >= range.end { Requested::Unsatisfiable } else { Requested::Part(range) }
}

#[cfg(test)]
mod tests;
