//! Who a request comes from, and what a reader brings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Once;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, X_FORWARDED_FOR};
use haulier_wire::header;

use super::Service;
use super::problem::HttpError;
use super::token::{Role, in_query, named, presented};
use crate::config::Network;
use crate::transfer::{Client, Reader, Writer};

/// What a request to read brings.
///
/// # Errors
/// As [`presented`].
pub(super) fn reader(service: &Service, request: &HttpRequest) -> Result<Reader, HttpError> {
    Ok(Reader {
        download: presented(request, Role::Download)?,
        lease: named(request, header::LEASE)?,
        client: client(service, request),
    })
}

/// What a request to write brings. A transfer without an owner takes the access token, wherever it stands.
///
/// # Errors
/// As [`presented`].
pub(super) fn writer(request: &HttpRequest) -> Result<Writer, HttpError> {
    let owner = presented(request, Role::Owner)?;
    let access = match named(request, header::ACCESS_TOKEN)? {
        Some(named) => Some(named),
        None => in_query(request)?.or_else(|| owner.clone()),
    };
    Ok(Writer { owner, access })
}

/// Who sent a request.
pub(super) fn client(service: &Service, request: &HttpRequest) -> Client {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    if request.headers().contains_key(X_FORWARDED_FOR) && !is_trusted(&service.trusted_proxies, peer) {
        warn_once();
    }
    service.clients.at(address(&service.trusted_proxies, peer, request.headers()))
}

/// Behind a proxy that nobody trusts everybody is one client, and shares its rate and its wrong tokens. Anybody can send
/// the header, so it is said once.
fn warn_once() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "a request has an X-Forwarded-For that is not believed; if it is your proxy's, name the proxy in \
             HAULIER_TRUSTED_PROXIES, or all clients count as one"
        );
    });
}

fn is_trusted(trusted: &[Network], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The address that the nearest trusted proxy saw: each proxy appends whom it speaks with, and whatever stands to the
/// left of the first one that nobody trusts may be made up.
fn address(trusted: &[Network], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut nearest = peer;
    if !is_trusted(trusted, nearest) {
        return nearest;
    }
    let lines: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        // What cannot be read was sent by the last one that could; whatever else stands in its line does not matter.
        let hop = std::str::from_utf8(hop).unwrap_or_default();
        let Some(address) = hop_address(hop.trim()) else { break };
        nearest = address;
        if !is_trusted(trusted, nearest) {
            break;
        }
    }
    nearest
}

/// Some proxies add the port, and brackets around IPv6.
fn hop_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

#[cfg(test)]
mod tests;
