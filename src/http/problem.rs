//! The only map from domain errors to status codes. Every 4xx and 5xx to a request
//! that could be parsed is `application/problem+json`.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use haulier_wire::limit::SEALED_OVERHEAD_BYTES;
use haulier_wire::problem::PROBLEM_JSON;
use haulier_wire::{Problem, ProblemType};

use super::openapi::allowed_methods;
use crate::store::StoreError;
use crate::transfer::upload::BodyError;
use crate::transfer::{Refusal, TransferError};

/// What a handler answers instead of its success.
#[derive(Debug)]
pub(super) struct HttpError {
    problem: Box<Problem>,
    /// For the log alone; a client never sees it.
    cause: Option<TransferError>,
}

impl HttpError {
    pub(super) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Problem::new(kind).with_detail(detail).into()
    }
}

impl From<Problem> for HttpError {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), cause: None }
    }
}

impl From<TransferError> for HttpError {
    fn from(error: TransferError) -> Self {
        let problem = problem_of(&error);
        Self { problem: Box::new(problem), cause: Some(error) }
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        TransferError::from(error).into()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.title)
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        status(self.problem.kind)
    }

    fn error_response(&self) -> HttpResponse {
        let is_our_fault = self.problem.status >= 500 && self.problem.kind != ProblemType::QuotaExceeded;
        if let (true, Some(cause)) = (is_our_fault, &self.cause) {
            tracing::error!(
                http.status = self.problem.status,
                error = cause as &dyn std::error::Error,
                "a request failed on our side"
            );
        }
        render(&self.problem)
    }
}

/// Says what a domain error means to a client, and what to do next. No `_`: a new error must be thought about here.
fn problem_of(error: &TransferError) -> Problem {
    use ProblemType as Type;
    let detail = |kind: Type, text: &str| Problem::new(kind).with_detail(text);
    match error {
        TransferError::NotFound => detail(Type::TransferNotFound, "Check the link: no transfer has this id."),
        TransferError::Pending => detail(Type::TransferPending, "The sender has not finished. Try again later."),
        TransferError::Deleted => detail(Type::TransferDeleted, "The sender deleted this transfer."),
        TransferError::Expired => detail(Type::TransferExpired, "Ask the sender to send it again."),
        TransferError::Exhausted => detail(Type::TransferExhausted, "Every download that the sender allowed is spent."),
        TransferError::PlacesTaken => {
            detail(Type::PlacesTaken, "Others are downloading. If one of them gives up, there is a place again.")
        }
        TransferError::LeaseRequired => {
            detail(Type::LeaseRequired, "Take a place with POST lease first, and send its token as Haulier-Lease.")
        }
        TransferError::LeaseEnded => detail(Type::LeaseEnded, "Take a place again with POST lease, if there is one."),
        TransferError::LeaseUsedUp => detail(Type::LeaseUsedUp, "This download has read twice what the transfer has."),
        TransferError::MissingToken => detail(Type::MissingToken, "Send the token as Authorization: Bearer."),
        // The older system's words, which its clients show.
        TransferError::MissingAccessToken => detail(Type::MissingToken, "Access token required"),
        TransferError::WrongToken => detail(Type::WrongToken, "The token is for another transfer or another role."),
        TransferError::TooManyGuesses { retry_after } => Problem {
            retry_after_seconds: Some(whole_seconds(*retry_after)),
            ..detail(Type::TooManyWrongTokens, "Wait for Retry-After. The link or the passphrase may be wrong.")
        },
        TransferError::RateLimited { retry_after } => Problem {
            retry_after_seconds: Some(whole_seconds(*retry_after)),
            ..detail(Type::RateLimited, "Wait for Retry-After.")
        },
        TransferError::Refused(refusal) => refused(*refusal),
        TransferError::DeleteNotEnabled => {
            detail(Type::DeleteNotEnabled, "It was created without an owner token; it goes when it expires.")
        }
        TransferError::Contradiction(error) => contradiction(*error),
        TransferError::Limit(text) => detail(Type::InvalidNumbers, text),
        TransferError::Exists => detail(Type::TransferExists, "Start again with a new id and a new key."),
        TransferError::NotChunked => detail(
            Type::TransferNotFound,
            "This transfer is one payload without chunks: GET download/{id} has all of it.",
        ),
        TransferError::NotPending => detail(Type::TransferNotFound, "Transfer not found or not in pending state"),
        TransferError::PayloadMissing => detail(Type::TransferNotFound, "Transfer not found or payload not uploaded"),
        TransferError::NoSuchChunk => detail(Type::ChunkNotFound, "The index is not below total_chunks."),
        TransferError::WrongChunkLength { expected, announced } => wrong_length(*expected, *announced),
        TransferError::DigestMismatch => detail(Type::DigestMismatch, "Nothing was kept. Send the chunk again."),
        TransferError::Body(error) => body_problem(*error),
        TransferError::ChunkConflict => {
            detail(Type::ChunkConflict, "A stored chunk never changes. Start a new transfer for other content.")
        }
        TransferError::ChunksMissing { missing, more } => Problem {
            missing: Some(missing.clone()),
            more: Some(*more),
            ..detail(Type::ChunksMissing, "Upload the chunks in `missing`, then complete again.")
        },
        TransferError::SealedMetadataConflict => {
            detail(Type::SealedMetadataConflict, "Send the sealed metadata that this transfer was created with.")
        }
        TransferError::SealedMetadataSurplus => {
            detail(Type::MixedKind, "A transfer with iv_strategy counter goes without sealed_metadata.")
        }
        TransferError::Store(StoreError::Full) => {
            detail(Type::InsufficientStorage, "The server's disk is full. Try again later; nothing stored is lost.")
        }
        TransferError::Store(StoreError::Unavailable(_)) => Problem::new(Type::StoreUnavailable),
        TransferError::Store(StoreError::Internal(_)) => Problem::new(Type::Internal),
        TransferError::Stopped(_) => Problem::new(Type::Unavailable),
    }
}

/// What an access token or a quota did not allow.
fn refused(refusal: Refusal) -> Problem {
    let detail = |kind, text: &str| Problem::new(kind).with_detail(text);
    let left = |bytes, text: String| Problem {
        left_bytes: Some(bytes),
        ..Problem::new(ProblemType::QuotaExceeded).with_detail(text)
    };
    match refusal {
        Refusal::TokenUnknown => detail(ProblemType::TokenUnknown, "Invalid access token"),
        Refusal::TokenRevoked => detail(ProblemType::TokenRevoked, "Access token revoked"),
        Refusal::TokenExpired => detail(ProblemType::TokenExpired, "Access token expired"),
        Refusal::TokenUsedUp => detail(ProblemType::TokenUsedUp, "Access token exhausted"),
        Refusal::TokenBytes(bytes) => left(
            bytes,
            format!("The transfers of this access token may hold {bytes} bytes more. Delete some, or wait."),
        ),
        Refusal::TokenUploads => detail(ProblemType::TooManyUploads, "Finish or delete uploads of this access token."),
        Refusal::ServerBytes(bytes) => {
            left(bytes, format!("The transfers on this server may hold {bytes} bytes more. Try again later."))
        }
        Refusal::ServerUploads => detail(ProblemType::TooManyUploads, "The server has too many. Try again later."),
    }
}

/// Rounded up: who comes back then is not early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn contradiction(error: haulier_wire::api::CreateError) -> Problem {
    use haulier_wire::api::CreateError;
    let kind = match error {
        CreateError::Kind(_) => ProblemType::MixedKind,
        CreateError::Layout(_) | CreateError::TwoExpiries => ProblemType::InvalidNumbers,
        CreateError::SealedMetadataSize | CreateError::KeyCheckSize => ProblemType::InvalidBody,
    };
    Problem::new(kind).with_detail(format!("{error}."))
}

fn wrong_length(expected: u64, announced: u64) -> Problem {
    let kind = if announced > expected { ProblemType::BodyTooLarge } else { ProblemType::WrongChunkLength };
    let plain = expected.saturating_sub(SEALED_OVERHEAD_BYTES);
    Problem {
        expected_bytes: Some(expected),
        max_bytes: Some(expected),
        ..Problem::new(kind).with_detail(format!("This sealed chunk has exactly {expected} bytes: {plain} + 28."))
    }
}

fn body_problem(error: BodyError) -> Problem {
    match error {
        BodyError::Timeout => Problem::new(ProblemType::RequestTimeout).with_detail("Send the request again."),
        BodyError::Incomplete => {
            Problem::new(ProblemType::BodyIncomplete).with_detail("Nothing was kept. Send the request again.")
        }
        BodyError::TooLarge => {
            Problem::new(ProblemType::BodyTooLarge).with_detail("The body is longer than announced or accepted.")
        }
    }
}

/// Renders a problem document with the headers that go with it.
pub(super) fn render(problem: &Problem) -> HttpResponse {
    let mut response = HttpResponse::build(status(problem.kind));
    response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).insert_header((header::CACHE_CONTROL, "no-store"));
    match problem.kind {
        ProblemType::MissingToken
        | ProblemType::TokenUnknown
        | ProblemType::TokenRevoked
        | ProblemType::TokenExpired
        | ProblemType::TokenUsedUp => {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        ProblemType::StoreUnavailable | ProblemType::Unavailable => {
            response.insert_header((header::RETRY_AFTER, "5"));
        }
        ProblemType::InsufficientStorage | ProblemType::TooManyUploads | ProblemType::PlacesTaken => {
            response.insert_header((header::RETRY_AFTER, "30"));
        }
        // Somebody has to delete something, or something has to expire.
        ProblemType::QuotaExceeded => {
            response.insert_header((header::RETRY_AFTER, "300"));
        }
        // What is left of the body would be taken for the next request.
        ProblemType::RequestTimeout => {
            response.force_close();
        }
        _ => {}
    }
    if let Some(seconds) = problem.retry_after_seconds {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    let mut response = response.body(document(problem));
    // For whoever knows which request this was.
    response.extensions_mut().insert(problem.clone());
    response
}

/// A problem document as it travels.
pub(super) fn document(problem: &Problem) -> Vec<u8> {
    serde_json::to_vec(problem).unwrap_or_default()
}

/// The problem type that stands for a bare status: what the framework answers by itself.
pub(super) fn type_of_status(status: StatusCode) -> ProblemType {
    let code = status.as_u16();
    let fallback = if code >= 500 { ProblemType::Internal } else { ProblemType::InvalidRequest };
    ProblemType::ALL.iter().copied().find(|kind| kind.status() == code).unwrap_or(fallback)
}

fn status(kind: ProblemType) -> StatusCode {
    StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) async fn no_route() -> HttpResponse {
    render(&Problem::new(ProblemType::RouteNotFound).with_detail("Not Found"))
}

pub(super) async fn no_method(request: HttpRequest) -> HttpResponse {
    let mut response = render(&Problem::new(ProblemType::MethodNotAllowed).with_detail("Allow lists the methods."));
    let allowed = request.match_pattern().as_deref().and_then(allowed_methods);
    if let Some(Ok(allowed)) = allowed.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

#[cfg(test)]
mod tests;
