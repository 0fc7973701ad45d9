//! The parts of a path, in their canonical spelling only.

use actix_web::HttpRequest;
use haulier_wire::id::ParseIdError;
use haulier_wire::number::NumberError;
use haulier_wire::{ChunkIndex, ProblemType, TransferId};

use super::problem::HttpError;

/// `{id}`.
///
/// # Errors
/// 400 invalid-transfer-id.
pub(super) fn transfer_id(request: &HttpRequest) -> Result<TransferId, HttpError> {
    part(request, "id")
        .parse()
        .map_err(|error: ParseIdError| HttpError::new(ProblemType::InvalidTransferId, format!("{error}.")))
}

/// `{n}`.
///
/// # Errors
/// 400 invalid-chunk-index.
pub(super) fn chunk_index(request: &HttpRequest) -> Result<ChunkIndex, HttpError> {
    part(request, "n")
        .parse()
        .map_err(|error: NumberError| HttpError::new(ProblemType::InvalidChunkIndex, format!("{error}.")))
}

/// A part of the path as it was sent: the framework decodes `%31` to `1`, and one thing must have one name.
fn part<'r>(request: &'r HttpRequest, name: &str) -> &'r str {
    let decoded = request.match_info().get(name).unwrap_or_default();
    if request.uri().path().split('/').any(|sent| sent == decoded) { decoded } else { "" }
}
