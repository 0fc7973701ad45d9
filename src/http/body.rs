//! Request bodies: JSON with a cap before anything is allocated, chunks as a stream.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures::{Stream, StreamExt as _, stream};
use haulier_wire::limit::MAX_JSON_BODY_BYTES;
use haulier_wire::{Problem, ProblemType, encoding, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::problem::HttpError;
use crate::transfer::upload::BodyError;
use crate::transfer::{Digest, TransferError};

/// Most characters of what the JSON reader says of a body.
const MAX_DETAIL_CHARS: usize = 500;

/// Slowest average of a request body, beyond one pause of the client timeout: 1 KiB/s.
const MIN_BYTES_PER_SECOND: u64 = 1 << 10;

/// Reads a JSON object of at most [`MAX_JSON_BODY_BYTES`]; an empty body is `{}` where `T` allows that.
///
/// # Errors
/// 413, 408, and 400 for anything but one object with the members of `T`.
pub(super) async fn json<T: DeserializeOwned>(payload: Payload, timeout: Duration) -> Result<T, HttpError> {
    parse(&collect(payload, timeout).await?)
}

/// Reads the JSON object of a body that was collected, as [`json`] does.
///
/// # Errors
/// 400 for anything but one object with the members of `T`.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpError> {
    let text = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| {
        // It may repeat a text of the body, of whatever length.
        let detail: String = format!("{error}.").chars().take(MAX_DETAIL_CHARS).collect();
        HttpError::new(ProblemType::InvalidBody, detail)
    })
}

/// Reads a body of at most [`MAX_JSON_BODY_BYTES`].
///
/// # Errors
/// 413 and 408.
pub(super) async fn collect(payload: Payload, timeout: Duration) -> Result<Bytes, HttpError> {
    let mut stream = stream(payload, timeout, MAX_JSON_BODY_BYTES as u64);
    let mut body = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(body_error)?;
        if body.len() + piece.len() > MAX_JSON_BODY_BYTES {
            let problem = Problem::new(ProblemType::BodyTooLarge).with_detail("The JSON body is too large.");
            return Err(Problem { max_bytes: Some(MAX_JSON_BODY_BYTES as u64), ..problem }.into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn body_error(error: BodyError) -> HttpError {
    TransferError::from(error).into()
}

/// The body as the use cases take it: an error when it pauses for longer than `timeout`, or trickles so slowly that
/// `len` bytes would take longer than at [`MIN_BYTES_PER_SECOND`]. Otherwise a byte now and then would hold a place.
pub(super) fn stream(
    payload: Payload,
    timeout: Duration,
    len: u64,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Unpin {
    let deadline = Instant::now() + timeout + Duration::from_secs(len / MIN_BYTES_PER_SECOND);
    let pieces = stream::unfold(payload, move |mut payload| async move {
        let next = tokio::time::timeout_at(deadline.min(Instant::now() + timeout), payload.next());
        let piece = match next.await {
            Ok(None) => return None,
            Ok(Some(piece)) => piece.map_err(payload_error),
            Err(_) => Err(BodyError::Timeout),
        };
        Some((piece, payload))
    });
    Box::pin(pieces)
}

/// The body of a payload, whose length nobody may have said: an error when it pauses for longer than `timeout`, or comes
/// so slowly that it falls behind [`MIN_BYTES_PER_SECOND`].
pub(super) fn stream_of_any_length(
    payload: Payload,
    timeout: Duration,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Unpin {
    let begun = Instant::now();
    let pieces = stream::unfold((payload, 0), move |(mut payload, received)| async move {
        let deadline = begun + timeout + Duration::from_secs(received / MIN_BYTES_PER_SECOND);
        let next = tokio::time::timeout_at(deadline.min(Instant::now() + timeout), payload.next());
        let piece = match next.await {
            Ok(None) => return None,
            Ok(Some(piece)) => piece.map_err(payload_error),
            Err(_) => Err(BodyError::Timeout),
        };
        let received = received + piece.as_ref().map_or(0, Bytes::len) as u64;
        Some((piece, (payload, received)))
    });
    Box::pin(pieces)
}

#[expect(clippy::needless_pass_by_value, reason = "an error, to be mapped")]
fn payload_error(error: PayloadError) -> BodyError {
    match error {
        PayloadError::Overflow => BodyError::TooLarge,
        _ => BodyError::Incomplete,
    }
}

/// Whether the body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let named = named.and_then(|text| text.split(';').next());
    named.is_some_and(|named| named.trim().eq_ignore_ascii_case("application/json"))
}

/// Content-Length, if there is one.
///
/// # Errors
/// 400 when it is not one shortest decimal.
pub(super) fn announced(request: &HttpRequest) -> Result<Option<u64>, HttpError> {
    request.headers().contains_key(CONTENT_LENGTH).then(|| content_length(request)).transpose()
}

/// Content-Length, which a chunk must have.
///
/// # Errors
/// 411 when it is absent, as it is with chunked transfer coding; 400 when it is not one shortest decimal.
pub(super) fn content_length(request: &HttpRequest) -> Result<u64, HttpError> {
    let value = request.headers().get(CONTENT_LENGTH).ok_or_else(|| {
        HttpError::new(ProblemType::LengthRequired, "Send the chunk with a Content-Length, not in chunked coding.")
    })?;
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| HttpError::new(ProblemType::InvalidRequest, "Content-Length must be a whole number."))
}

/// The SHA-256 of `Content-Digest: sha-256=:BASE64:`; `None` when the header names no SHA-256.
///
/// # Errors
/// 400 when a sha-256 is there and is not 32 bytes of base64.
pub(super) fn content_digest(headers: &HeaderMap) -> Result<Option<Digest>, HttpError> {
    let invalid = || HttpError::new(ProblemType::InvalidRequest, "Content-Digest must be: sha-256=:BASE64:");
    let mut found = None;
    for value in headers.get_all(header::CONTENT_DIGEST) {
        for member in value.to_str().map_err(|_| invalid())?.split(',') {
            let Some((name, digest)) = member.trim().split_once('=') else { return Err(invalid()) };
            if name == "sha-256" {
                let digest = digest.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).ok_or_else(invalid)?;
                let bytes = encoding::from_base64(digest).ok_or_else(invalid)?;
                // RFC 8941: the last member of a name counts.
                found = Some(bytes.try_into().map_err(|_| invalid())?);
            }
        }
    }
    Ok(found)
}
