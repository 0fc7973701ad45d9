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
    let text = request.match_info().get("id").unwrap_or_default();
    text.parse().map_err(|error: ParseIdError| HttpError::new(ProblemType::InvalidTransferId, format!("{error}.")))
}

/// `{n}`.
///
/// # Errors
/// 400 invalid-chunk-index.
pub(super) fn chunk_index(request: &HttpRequest) -> Result<ChunkIndex, HttpError> {
    let text = request.match_info().get("n").unwrap_or_default();
    text.parse().map_err(|error: NumberError| HttpError::new(ProblemType::InvalidChunkIndex, format!("{error}.")))
}
