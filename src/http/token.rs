//! Which token a request presents for a role.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use haulier_wire::{ProblemType, header};

use super::problem::HttpError;
use crate::transfer::Token;

/// The role whose token a route takes in `Authorization: Bearer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Upload, complete, delete.
    Owner,
    /// Reads.
    Download,
    /// The operator's metrics.
    Metrics,
}

/// Reads the token of `role`; the owner's may also come in its own header.
///
/// # Errors
/// 400 for a header that holds no token, and for two different tokens of one role.
pub(super) fn presented(request: &HttpRequest, role: Role) -> Result<Option<Token>, HttpError> {
    let bearer = bearer(request)?;
    let named = match role {
        Role::Owner => named(request, header::OWNER_TOKEN)?,
        Role::Download | Role::Metrics => None,
    };
    match (bearer, named) {
        (Some(bearer), Some(named)) if !bearer.is_same(&named) => Err(HttpError::new(
            ProblemType::ConflictingTokens,
            format!("Authorization and {} differ.", header::OWNER_TOKEN),
        )),
        (bearer, named) => Ok(bearer.or(named)),
    }
}

/// The token in a header of its own.
///
/// # Errors
/// As [`presented`].
pub(super) fn named(request: &HttpRequest, name: &str) -> Result<Option<Token>, HttpError> {
    single(request, name)?.map(token).transpose()
}

fn bearer(request: &HttpRequest) -> Result<Option<Token>, HttpError> {
    let Some(value) = single(request, AUTHORIZATION.as_str())? else { return Ok(None) };
    match value.split_once(' ') {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => token(text.trim_start_matches(' ')).map(Some),
        _ => Err(HttpError::new(ProblemType::InvalidRequest, "Authorization must be: Bearer TOKEN.")),
    }
}

fn token(text: &str) -> Result<Token, HttpError> {
    Token::new(text)
        .ok_or_else(|| HttpError::new(ProblemType::InvalidRequest, "A token is 1 to 256 visible ASCII characters."))
}

/// A header's value, if it is there; given twice, both must be the same.
fn single<'r>(request: &'r HttpRequest, name: &str) -> Result<Option<&'r str>, HttpError> {
    let mut values = request.headers().get_all(name);
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(HttpError::new(ProblemType::ConflictingTokens, format!("{name} was given twice.")));
    }
    let text = first.to_str();
    text.map(Some).map_err(|_| HttpError::new(ProblemType::InvalidRequest, format!("{name} must be visible ASCII.")))
}
