//! What an answer, or the lack of one, means for the caller: try again, or give up and why.

use std::io;
use std::time::Duration;

use haulier_wire::problem::{PROBLEM_JSON, Problem, ProblemType};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use crate::error::{Error, LimitError};

/// Longest text of a server that is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;
/// Longest wait that a server can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Why one request has no usable answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallError {
    /// The same request may succeed later.
    Again {
        /// What happened.
        reason: String,
        /// The server's Retry-After.
        after: Option<Duration>,
    },
    /// A problem document that the same request will meet again.
    Problem(Box<Problem>),
    /// An error in the legacy system's form: its status and its `detail`.
    Legacy {
        /// HTTP status.
        status: u16,
        /// What can be shown of it.
        detail: String,
    },
    /// No TLS connection that could be trusted.
    Insecure(String),
    /// 413 from a proxy: the server itself answers with a problem document.
    ProxyTooLarge,
    /// 3xx.
    Redirect(u16),
    /// No answer of a Haulier server: a web page, another program.
    Foreign(String),
    /// An answer that no honest server of this version gives.
    Broken(String),
    /// A request that cannot be made.
    Unsendable(&'static str),
}

/// Whose token a request carried: decides what 401 and 403 mean to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Create: the access token, if one was given.
    Access {
        /// Whether one was given.
        given: bool,
    },
    /// Upload, complete, delete.
    Owner,
    /// Reads.
    Download,
}

impl CallError {
    /// The problem's type, when there is one.
    pub(crate) fn problem(&self) -> Option<ProblemType> {
        match self {
            Self::Problem(problem) => Some(problem.kind),
            _ => None,
        }
    }

    /// Says it to the person who called.
    pub(crate) fn into_error(self, server: &str, role: Role) -> Error {
        match self {
            Self::Again { reason, after: Some(_) } => Error::Busy { server: server.to_owned(), reason },
            Self::Again { reason, .. } | Self::Insecure(reason) => {
                Error::Unavailable { server: server.to_owned(), reason }
            }
            Self::Redirect(status) => Error::Redirected { status },
            Self::ProxyTooLarge => Error::Refused { what: "413 from a proxy: the request body is too large".into() },
            Self::Foreign(what) => Error::NotHaulier { server: server.to_owned(), what },
            Self::Broken(what) => Error::Protocol { what },
            Self::Unsendable(what) => Error::Refused { what: what.into() },
            Self::Problem(problem) => problem_error(&problem, role),
            Self::Legacy { status, detail } => legacy_error(status, &detail, role),
        }
    }
}

/// What the legacy system's texts mean; those of its pages for people may change, so statuses decide where they can.
fn legacy_error(status: u16, detail: &str, role: Role) -> Error {
    match (status, detail, role) {
        (401, _, Role::Access { given }) => Error::AccessToken { given },
        (404, "Transfer not found or not available for download", _) => Error::Pending,
        (404, "Transfer not found" | "not_found", _) => Error::NotFound,
        (410, "expired", _) => Error::Expired,
        (410, "exhausted", _) => Error::Exhausted,
        _ => Error::Refused { what: format!("{status} {detail}") },
    }
}

fn problem_error(problem: &Problem, role: Role) -> Error {
    match (problem.kind, role) {
        (ProblemType::TransferNotFound, _) => Error::NotFound,
        (ProblemType::TransferDeleted, _) => Error::Deleted,
        (ProblemType::TransferExpired, _) => Error::Expired,
        (ProblemType::TransferExhausted, _) => Error::Exhausted,
        (ProblemType::LeaseUsedUp, _) => Error::LeaseUsedUp,
        (ProblemType::PlacesTaken, _) => Error::PlacesTaken,
        (ProblemType::TransferPending, _) => Error::Pending,
        (ProblemType::MissingToken | ProblemType::WrongToken, Role::Access { given }) => Error::AccessToken { given },
        (ProblemType::MissingToken | ProblemType::WrongToken, Role::Download) => {
            Error::WrongKey { has_passphrase: true }
        }
        (ProblemType::TokenUnknown, _) => Error::AccessToken { given: true },
        (ProblemType::TokenRevoked, _) => Error::AccessTokenEnded { why: "was revoked" },
        (ProblemType::TokenExpired, _) => Error::AccessTokenEnded { why: "has expired" },
        (ProblemType::TokenUsedUp, _) => Error::AccessTokenEnded { why: "is used up" },
        (ProblemType::QuotaExceeded, _) => LimitError::Quota { left_bytes: problem.left_bytes.unwrap_or(0) }.into(),
        // A transfer that is complete has every chunk that its manifest counts.
        (ProblemType::ChunkNotFound, Role::Download) => Error::Protocol { what: describe(problem) },
        _ => Error::Refused { what: describe(problem) },
    }
}

fn describe(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or(problem.kind.title());
    format!("{} {}", problem.kind.status(), printable(detail))
}

/// Takes what could steer a terminal out of a text that a server wrote, and cuts it.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_bidi_control(*c)).take(SHOWN_CHARACTERS).collect()
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Judges a request that got no answer, or lost it midway.
pub(crate) fn of_failure(error: &reqwest::Error) -> CallError {
    if error.is_builder() {
        return CallError::Unsendable("the request cannot be built");
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = cause(deepest) {
        deepest = cause;
        // rustls reports what it cannot accept, such as a certificate, as invalid data; it will not become valid.
        if deepest.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return CallError::Insecure(format!("no secure connection: {}", plainly(&deepest.to_string())));
        }
    }
    let reason = if error.is_timeout() { "timed out".to_owned() } else { plainly(&deepest.to_string()) };
    CallError::Again { reason, after: None }
}

/// Says what libraries and the system say in the words of a person, where there are such.
fn plainly(reason: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("InvalidContentType", "that port does not speak TLS"),
        ("invalid HTTP version", "that port does not speak HTTP; it may want https://"),
        ("UnknownIssuer", "this system does not trust the issuer of the certificate"),
        ("Connection refused", "nothing answers on that port"),
        ("failed to lookup address", "there is no host of that name"),
        ("Name or service not known", "there is no host of that name"),
    ];
    let known = WORDS.iter().find(|(said, _)| reason.contains(said));
    // The system's number helps nobody who reads its words.
    let bare = reason.split(" (os error").next().unwrap_or(reason);
    known.map_or_else(|| printable(bare), |(_, words)| (*words).to_owned())
}

/// What an error wraps. An I/O error skips what it was made from in `source`, so that is asked for apart.
fn cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e (dyn std::error::Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source())
}

/// Judges a final status other than 2xx.
pub(crate) fn of_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> CallError {
    let is_problem = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().unwrap_or_default().trim() == PROBLEM_JSON);
    let problem = if is_problem { serde_json::from_slice::<Problem>(body).ok() } else { None };
    match status {
        300..=399 => CallError::Redirect(status),
        408 | 429 | 500..=599 if !is_final(problem.as_ref()) => {
            CallError::Again { reason: reason(status, problem.as_ref()), after: retry_after(headers) }
        }
        413 if !is_problem => CallError::ProxyTooLarge,
        _ => match problem {
            Some(problem) => CallError::Problem(Box::new(problem)),
            None => CallError::Foreign(format!("it answered {status} in another form")),
        },
    }
}

/// A quota stays used up until somebody deletes something, or something expires.
fn is_final(problem: Option<&Problem>) -> bool {
    problem.is_some_and(|problem| problem.kind == ProblemType::QuotaExceeded)
}

/// As [`of_answer`], but takes the legacy system's `{"detail": ...}` for what it is.
pub(crate) fn of_legacy_answer(status: u16, headers: &HeaderMap, body: &[u8]) -> CallError {
    #[derive(serde::Deserialize)]
    struct Legacy {
        detail: serde_json::Value,
    }
    match of_answer(status, headers, body) {
        other @ (CallError::Foreign(_) | CallError::ProxyTooLarge) => match serde_json::from_slice(body) {
            Ok(Legacy { detail: serde_json::Value::String(text) }) => {
                CallError::Legacy { status, detail: printable(&text) }
            }
            // A list of what is wrong with a request: nothing for a person.
            Ok(_) => CallError::Legacy { status, detail: "the request was not understood".into() },
            Err(_) => other,
        },
        other => other,
    }
}

fn reason(status: u16, problem: Option<&Problem>) -> String {
    match (status, problem) {
        (507, _) => "the server's disk is full".to_owned(),
        (_, Some(problem)) => format!("{status} {}", problem.kind.title()),
        (_, None) => format!("status {status}"),
    }
}

/// Reads Retry-After in seconds; its date form is rare and is left to the backoff.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
