//! Where the server is, and whether it may be spoken to.

use std::net::IpAddr;

use haulier_wire::TransferId;
use reqwest::Url;

use crate::error::AddressError;

/// A server's address: scheme, host, port, and the path that it lives under where a proxy gives it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: Url,
}

impl Server {
    /// Reads `https://HOST[:PORT][/PATH]`. Plain http is for this machine alone unless `allow_http`.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        let login = !url.username().is_empty() || url.password().is_some();
        if login || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Surplus);
        }
        let server = Self { url };
        if server.url.scheme() == "http" && !allow_http && !server.is_loopback() {
            return Err(AddressError::PlainHttp);
        }
        Ok(server)
    }

    /// The address without a slash at its end, as links and messages show it.
    #[must_use]
    pub fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Whether the server is this machine, so that nobody stands between.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.map_or(host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host as a resolver takes it, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        (host, self.url.port_or_known_default().unwrap_or(443))
    }

    /// `/readyz`.
    pub(super) fn ready_url(&self) -> Url {
        self.at(&["readyz"])
    }

    /// `/api/config`.
    pub(super) fn config_url(&self) -> Url {
        self.at(&["api", "config"])
    }

    /// `/api/transfers/create`.
    pub(super) fn create_url(&self) -> Url {
        self.at(&["api", "transfers", "create"])
    }

    /// `/api/transfers/{verb}/{id}`.
    pub(super) fn transfer_url(&self, verb: &str, id: TransferId) -> Url {
        self.at(&["api", "transfers", verb, id.as_str()])
    }

    /// `/api/transfers/{verb}/{id}/chunk/{index}`.
    pub(super) fn chunk_url(&self, verb: &str, id: TransferId, index: u32) -> Url {
        self.at(&["api", "transfers", verb, id.as_str(), "chunk", &index.to_string()])
    }

    /// `/api/transfers/lease/{id}`.
    pub(super) fn lease_url(&self, id: TransferId) -> Url {
        self.transfer_url("lease", id)
    }

    /// `/api/transfers/lease/{id}/commit`.
    pub(super) fn lease_commit_url(&self, id: TransferId) -> Url {
        self.at(&["api", "transfers", "lease", id.as_str(), "commit"])
    }

    /// `/api/presigned/download-url/{id}`, of the legacy system.
    pub(super) fn presigned_download_url(&self, id: TransferId) -> Url {
        self.at(&["api", "presigned", "download-url", id.as_str()])
    }

    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

#[cfg(test)]
mod tests;
