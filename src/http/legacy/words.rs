//! What the older system says when something goes wrong: its clients read `detail`. The members of problem documents
//! come beside it.

use haulier_wire::{ProblemType, TransferId};

use crate::http::problem::HttpError;
use crate::transfer::{Refusal, TransferError};

/// Where something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Spoken {
    Create,
    Upload,
    Complete,
    Info,
    Download,
    Delete,
}

/// Says it as the older system does, where it has words for it, of what has an id of 12 digits or none yet. To clients
/// of this system, which have 32, its words would say nothing.
pub(in crate::http) fn in_its_words(spoken: Spoken, id: Option<TransferId>, error: TransferError) -> HttpError {
    if id.is_some_and(|id| !id.is_legacy()) {
        return error.into();
    }
    match words(spoken, &error) {
        Some((kind, detail)) => HttpError::new(kind, detail),
        None => error.into(),
    }
}

/// What an access token is, that is not good.
pub(in crate::http) fn of_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TokenUnknown => "not_found",
        Refusal::TokenRevoked => "revoked",
        Refusal::TokenExpired => "expired",
        _ => "exhausted",
    }
}

fn words(spoken: Spoken, error: &TransferError) -> Option<(ProblemType, &'static str)> {
    use ProblemType as Type;
    use TransferError as Error;
    const NOT_AVAILABLE: &str = "Transfer not found or not available for download";
    Some(match (spoken, error) {
        (Spoken::Create, Error::Exists) => (Type::TransferExists, "Transfer ID already exists"),
        (Spoken::Upload, Error::NotFound | Error::NotPending | Error::Deleted | Error::Expired | Error::Exhausted) => {
            (Type::TransferNotFound, "Transfer not found or not in pending state")
        }
        (Spoken::Complete, Error::NotFound | Error::PayloadMissing | Error::Deleted | Error::Expired) => {
            (Type::TransferNotFound, "Transfer not found or payload not uploaded")
        }
        (Spoken::Info, Error::NotFound | Error::Deleted) => (Type::TransferNotFound, "Transfer not found"),
        (Spoken::Download, Error::NotFound) => (Type::TransferNotFound, "Transfer not found"),
        (Spoken::Download, Error::Pending) => (Type::TransferPending, NOT_AVAILABLE),
        (Spoken::Download, Error::Deleted) => (Type::TransferNotFound, NOT_AVAILABLE),
        (Spoken::Download, Error::Exhausted) => (Type::TransferExhausted, "exhausted"),
        (Spoken::Info | Spoken::Download, Error::Expired) => (Type::TransferExpired, "expired"),
        (Spoken::Delete, Error::MissingToken) => (Type::InvalidRequest, "Missing x-sgraph-transfer-delete-auth header"),
        (Spoken::Delete, Error::NotFound) => (Type::TransferNotFound, "not_found"),
        (Spoken::Delete, Error::DeleteNotEnabled) => (Type::DeleteNotEnabled, "delete_not_enabled"),
        (Spoken::Delete, Error::WrongToken) => (Type::WrongToken, "auth_mismatch"),
        _ => return None,
    })
}
