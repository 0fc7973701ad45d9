//! What the server's first answers say: its certificate, whether it is one of ours, whether it can work, what it takes.

use haulier_wire::Timestamp;
use haulier_wire::api::ServerConfig;

use super::{Check, Finding};
use crate::http::{CallError, Contact, Server};
use crate::unit::{bytes, span};

/// A certificate that ends sooner is worth a warning, in seconds: 14 days.
const CERTIFICATE_NOTICE_SECONDS: i64 = 14 * 86_400;

pub(super) fn tls(server: &Server, contact: &Result<Contact, CallError>, now: Timestamp) -> Finding {
    if !server.is_https() {
        return match server.is_loopback() {
            true => Finding::ok(Check::Tls, "not needed: plain http stays on this machine"),
            false => Finding::warning(
                Check::Tls,
                "plain http: others on the way can read tokens, and change what you load",
                "Use https. What was sent stays sealed, but could be deleted.",
            ),
        };
    }
    match contact {
        Err(CallError::Insecure(reason)) => Finding::failed(
            Check::Tls,
            reason.clone(),
            "The certificate must be for this host name, in date, and from an authority that this system trusts. For an \
             authority of your own, set SSL_CERT_FILE to its PEM file.",
        ),
        Ok(Contact { certificate_ends: Some(end), .. }) => certificate(*end, now),
        _ => Finding::ok(Check::Tls, "the connection is encrypted"),
    }
}

fn certificate(end: Timestamp, now: Timestamp) -> Finding {
    let left = end.as_second().saturating_sub(now.as_second());
    let days = left.div_euclid(86_400);
    if left >= CERTIFICATE_NOTICE_SECONDS {
        return Finding::ok(Check::Tls, format!("the certificate is trusted, for another {days} days"));
    }
    let message = format!("the certificate is trusted, but ends in {}", span(left.max(0).unsigned_abs()));
    Finding::warning(Check::Tls, message, "The server's owner has to renew it.")
}

/// Whether it is a Haulier server, and what it takes.
pub(super) fn identity(contact: &Result<Contact, CallError>) -> Result<(Finding, ServerConfig), Finding> {
    let failed = |message: String, advice: &str| Err(Finding::failed(Check::Server, message, advice));
    let (error, took) = match contact {
        Ok(Contact { config: Ok(config), took, .. }) => {
            let message = format!(
                "Haulier {}, answered in {} ms (this is {})",
                config.version.chars().filter(|symbol| symbol.is_ascii_graphic()).take(40).collect::<String>(),
                took.as_millis().max(1),
                env!("CARGO_PKG_VERSION")
            );
            return Ok((Finding::ok(Check::Server, message), config.clone()));
        }
        Ok(Contact { config: Err(error), took, .. }) => (error, Some(took)),
        Err(error) => (error, None),
    };
    match error {
        CallError::Again { reason, .. } if took.is_none() => failed(
            format!("no usable answer: {reason}"),
            "Try again; the server, or a proxy before it, may be starting.",
        ),
        CallError::Redirect(status) => failed(
            format!("it redirects elsewhere (status {status})"),
            "Use the address that it redirects to: tokens do not follow redirects.",
        ),
        _ => failed(
            "something answers, but it is not a Haulier server".into(),
            "Check the address; where Haulier lives under a path, the path belongs to it.",
        ),
    }
}

pub(super) fn ready(answer: &Result<(), CallError>) -> Finding {
    match answer {
        Ok(()) => Finding::ok(Check::Ready, "its database and its storage are there"),
        Err(CallError::Again { reason, .. }) => {
            let message = format!("it cannot work now: {reason}");
            Finding::failed(
                Check::Ready,
                message,
                "Try again later, or tell the server's owner; its log has the reason.",
            )
        }
        Err(_) => Finding::warning(
            Check::Ready,
            "/readyz cannot be reached",
            "A proxy may hide it. The round trip tells whether the server works.",
        ),
    }
}

pub(super) fn limits(config: &ServerConfig, token_given: bool) -> Finding {
    let downloads = if config.download_limits { "can be limited" } else { "cannot be limited" };
    let message = format!(
        "files up to {}, kept {} to {} ({} if not told); downloads {downloads}",
        bytes(config.max_file_bytes.get()),
        span(config.min_expires_in_seconds),
        span(config.max_expires_in_seconds),
        span(config.default_expires_in_seconds),
    );
    match (config.access_token_required, token_given) {
        (true, false) => Finding::failed(
            Check::Limits,
            "the server asks for an access token, and HAULIER_ACCESS_TOKEN is not set",
            "Set it to the token that the server's owner gave you. Getting files needs none.",
        ),
        (true, true) => Finding::ok(Check::Limits, format!("{message}; an access token is set")),
        (false, true) => Finding::ok(Check::Limits, format!("{message}; no access token needed, though one is set")),
        (false, false) => Finding::ok(Check::Limits, message),
    }
}
