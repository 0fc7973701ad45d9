//! The older system's routes that no transfer of chunks has, and its create: one payload instead of chunks.
//!
//! docs/API.md, "The older system", says what its clients rely on. Its words for errors are in [`words`].

mod base64;
mod words;

use actix_web::http::Method;
use actix_web::http::header;
use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures::stream;
use haulier_wire::encoding::from_base64;
use haulier_wire::legacy::{PayloadRequest, PayloadRequestError, PayloadUploaded};
use haulier_wire::limit::MAX_UPLOAD_JSON_BYTES;
use haulier_wire::{Problem, ProblemType, TransferId};
use serde::Deserialize;
use serde_json::json;

use super::client::{reader, writer};
use super::path::transfer_id;
use super::problem::HttpError;
use super::{Service, body};
use crate::transfer::payload::{Json, PayloadBody};
use crate::transfer::permission::Standing;
use crate::transfer::upload::BodyError;
use crate::transfer::{Refusal, Token, TransferError};

pub(super) use words::Spoken;
use words::in_its_words;

/// A create request without `total_chunks`.
pub(super) async fn create(service: &Service, body: &[u8], access: Option<&Token>) -> Result<HttpResponse, HttpError> {
    let request: PayloadRequest = body::parse(body)?;
    let asked = request.check().map_err(|error| {
        let kind = match error {
            PayloadRequestError::TransferId => ProblemType::InvalidTransferId,
            PayloadRequestError::ExpiresAt => ProblemType::InvalidNumbers,
            PayloadRequestError::DeleteAuthHash | PayloadRequestError::ContentTypeHint => ProblemType::InvalidBody,
        };
        HttpError::new(kind, error.to_string())
    })?;
    let created = service.transfers.create_payload(&asked, access).await;
    Ok(HttpResponse::Ok().json(created.map_err(|error| in_its_words(Spoken::Create, None, error))?))
}

/// What may stand in the query of an upload.
#[derive(Deserialize)]
pub(super) struct UploadQuery {
    /// The payload in base64, instead of a body.
    #[serde(default)]
    data: String,
}

pub(super) async fn upload(
    service: Data<Service>,
    request: HttpRequest,
    query: Query<UploadQuery>,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let writer = writer(&request)?;
    let (expected, stored) = if query.data.is_empty() {
        let announced = body::announced(&request)?;
        let json = if body::is_json(request.headers()) { Json::Said } else { Json::Perhaps };
        let expected = PayloadBody { announced, json };
        let body = body::stream_of_any_length(payload, service.transfers.limits().client_timeout);
        (expected, service.transfers.upload_payload(id, &writer, expected, body).await)
    } else {
        let invalid = || HttpError::new(ProblemType::InvalidRequest, "data must be the payload in base64.");
        let bytes = from_base64(&query.data).ok_or_else(invalid)?;
        let expected = PayloadBody { announced: Some(bytes.len() as u64), json: Json::No };
        let body = stream::iter([Ok(Bytes::from(bytes))]);
        (expected, service.transfers.upload_payload(id, &writer, expected, body).await)
    };
    let size = stored.map_err(|error| match error {
        TransferError::Body(BodyError::TooLarge) => too_large(expected, service.transfers.most_unannounced()),
        error => in_its_words(Spoken::Upload, Some(id), error),
    })?;
    Ok(HttpResponse::Ok().json(PayloadUploaded { status: "uploaded".to_owned(), transfer_id: id, size }))
}

/// Says what would help.
fn too_large(expected: PayloadBody, most_unannounced: u64) -> HttpError {
    if expected.json == Json::Said {
        let detail = format!(
            "The body is longer than announced or accepted. JSON with the payload inside may have {MAX_UPLOAD_JSON_BYTES} \
             bytes: send a longer payload as application/octet-stream."
        );
        return HttpError::new(ProblemType::BodyTooLarge, detail);
    }
    if expected.announced.is_some() {
        return TransferError::from(BodyError::TooLarge).into();
    }
    let detail = format!("A body without a Content-Length may have {most_unannounced} bytes here.");
    Problem { max_bytes: Some(most_unannounced), ..Problem::new(ProblemType::BodyTooLarge).with_detail(detail) }.into()
}

/// The payload as base64 in JSON, encoded as it is read.
pub(super) async fn download_base64(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let spoken = |error| in_its_words(Spoken::Download, Some(id), error);
    let reader = reader(&service, &request)?;
    let found = service.transfers.find_whole(id, &reader).await.map_err(spoken)?;
    let frame = base64::Frame::new(id, found.file_size, found.len());
    let mut response = HttpResponse::Ok();
    response.insert_header(header::ContentType::json()).insert_header((header::CACHE_CONTROL, "no-store"));
    if request.method() == Method::HEAD {
        return Ok(response.body(frame.head()));
    }
    let content = service.transfers.read_whole(&found, 0..found.len()).await.map_err(spoken)?;
    let toll = service.transfers.admit(found.terms, &reader, found.len()).await.map_err(spoken)?;
    if !found.terms.is_limited {
        service.transfers.count_download(id).await;
    }
    Ok(response.body(frame.body(toll.over(content.into_stream(), found.len()))))
}

/// Whether an access token, which the older system calls by its name, is good; any is where nobody is asked for one.
pub(super) async fn check_token(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let standing = match token_in_path(&request) {
        Some(token) => service.transfers.check_access_token(&token).await?,
        None => Standing::Refused(Refusal::TokenUnknown),
    };
    Ok(HttpResponse::Ok().json(match standing {
        Standing::Open => json!({ "valid": true, "status": "active" }),
        Standing::Good(token) => match token.uses_left() {
            Some(left) => json!({ "valid": true, "status": "active", "remaining": left }),
            None => json!({ "valid": true, "status": "active" }),
        },
        Standing::Refused(refusal) => json!({ "valid": false, "reason": words::of_refusal(refusal) }),
    }))
}

/// Takes a use of an access token.
pub(super) async fn validate_token(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let standing = match token_in_path(&request) {
        Some(token) => service.transfers.use_access_token(&token).await?,
        None => Standing::Refused(Refusal::TokenUnknown),
    };
    Ok(HttpResponse::Ok().json(match standing {
        Standing::Open => json!({ "success": true }),
        Standing::Good(token) => {
            let left = token.uses_left().and_then(|left| i64::try_from(left).ok()).unwrap_or(-1);
            json!({ "success": true, "usage_count": token.uses, "remaining": left })
        }
        Standing::Refused(refusal) => json!({ "success": false, "reason": words::of_refusal(refusal) }),
    }))
}

fn token_in_path(request: &HttpRequest) -> Option<Token> {
    Token::new(request.match_info().get("name").unwrap_or_default())
}

/// What its clients may ask for: uploads and downloads through this server, and nothing else.
pub(super) async fn capabilities() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "presigned_upload": false,
        "multipart_upload": false,
        "presigned_download": false,
        "direct_upload": true,
        "max_part_size": 10 << 20,
        "min_part_size": 5 << 20,
        "max_parts": 10_000,
    }))
}

/// No URL of the object store is ever handed out: its clients then come here.
pub(super) async fn presigned_upload() -> Result<HttpResponse, HttpError> {
    Err(HttpError::new(ProblemType::InvalidRequest, "S3 storage mode required for presigned uploads"))
}

/// As [`presigned_upload`], for an upload in one piece.
pub(super) async fn presigned_upload_url() -> Result<HttpResponse, HttpError> {
    Err(HttpError::new(ProblemType::InvalidRequest, "presigned_not_available"))
}

/// As [`presigned_upload`], for a download: its clients ask this first, and fall back.
pub(super) async fn presigned_download_url() -> Result<HttpResponse, HttpError> {
    Err(HttpError::new(ProblemType::InvalidRequest, "S3 storage mode required"))
}

/// Whether a create request is the older system's: an object without any member that only chunks have. What has some of
/// them is neither, and must not become something weaker than its sender meant.
pub(super) fn is_create_of_payload(body: &[u8]) -> bool {
    const OF_CHUNKS: &[&str] = &[
        "total_chunks",
        "chunk_size",
        "file_size",
        "encryption",
        "sealed_metadata",
        "key_check",
        "kdf",
        "expires_in_seconds",
        "owner_token_hash",
        "download_token_hash",
    ];
    let members: Result<std::collections::HashMap<String, serde::de::IgnoredAny>, _> = serde_json::from_slice(body);
    members.is_ok_and(|members| !OF_CHUNKS.iter().any(|member| members.contains_key(*member)))
}

/// Says what goes wrong with this transfer as [`in_its_words`] does.
pub(super) fn spoken(id: TransferId, spoken: Spoken) -> impl Fn(TransferError) -> HttpError {
    move |error| in_its_words(spoken, Some(id), error)
}
