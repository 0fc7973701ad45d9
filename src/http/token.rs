//! Which token a request presents for a role.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Query;
use haulier_wire::{ProblemType, header};
use serde::Deserialize;

use super::problem::HttpError;
use crate::transfer::Token;

/// The role whose token a route takes in `Authorization: Bearer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Create.
    Access,
    /// Upload, complete, delete.
    Owner,
    /// Reads.
    Download,
    /// The operator's metrics.
    Metrics,
}

/// Reads the token of `role`; the owner's and the access token may also come in a header of their own.
///
/// # Errors
/// 400 for a header that holds no token, and for two different tokens of one role.
pub(super) fn presented(request: &HttpRequest, role: Role) -> Result<Option<Token>, HttpError> {
    let bearer = bearer(request)?;
    let header = match role {
        Role::Access => header::ACCESS_TOKEN,
        Role::Owner => header::OWNER_TOKEN,
        Role::Download | Role::Metrics => return Ok(bearer),
    };
    match (bearer, named(request, header)?) {
        (Some(bearer), Some(named)) if !bearer.is_same(&named) => {
            Err(HttpError::new(ProblemType::ConflictingTokens, format!("Authorization and {header} differ.")))
        }
        (bearer, named) => Ok(bearer.or(named)),
    }
}

/// The access token of a request, from wherever the older system's clients may put it.
///
/// # Errors
/// As [`presented`].
pub(super) fn access_token(request: &HttpRequest) -> Result<Option<Token>, HttpError> {
    match (presented(request, Role::Access)?, in_query(request)?) {
        (Some(named), Some(query)) if !named.is_same(&query) => {
            Err(HttpError::new(ProblemType::ConflictingTokens, "The header and ?access_token= differ."))
        }
        (named, query) => Ok(named.or(query)),
    }
}

/// `?access_token=`, as the older system's clients may write it.
///
/// # Errors
/// As [`presented`].
pub(super) fn in_query(request: &HttpRequest) -> Result<Option<Token>, HttpError> {
    #[derive(Deserialize)]
    struct InQuery {
        access_token: Option<String>,
    }
    let query = Query::<InQuery>::from_query(request.query_string()).ok();
    let text = query.and_then(|query| query.into_inner().access_token).filter(|text| !text.is_empty());
    text.map(|text| token(&text)).transpose()
}

/// The token in a header of its own. An empty access token is none: the older system's pages send the header always.
///
/// # Errors
/// As [`presented`].
pub(super) fn named(request: &HttpRequest, name: &str) -> Result<Option<Token>, HttpError> {
    let text = single(request, name)?.filter(|text| !text.is_empty() || name != header::ACCESS_TOKEN);
    text.map(token).transpose()
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
