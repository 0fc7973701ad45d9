//! The first words with a server, and what can be learned from them besides the words.

use std::time::{Duration, Instant};

use haulier_wire::Timestamp;
use haulier_wire::api::ServerConfig;
use jiff::fmt::rfc2822;
use reqwest::Response;
use reqwest::header::DATE;
use reqwest::tls::TlsInfo;

use super::{Api, CallError, answer, certificate, json_body};

/// A server's answer to the question for its limits.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) config: Result<ServerConfig, CallError>,
    /// By the server's clock, when it answered; whole seconds.
    pub(crate) date: Option<Timestamp>,
    /// When the certificate ends; absent without TLS.
    pub(crate) certificate_ends: Option<Timestamp>,
    /// From the question to the head of the answer, connecting included.
    pub(crate) took: Duration,
}

impl Api {
    /// Asks for the limits, and looks at the answer from all sides.
    ///
    /// # Errors
    /// Those of a server that does not answer, or with another status than 2xx.
    pub(crate) async fn contact(&self) -> Result<Contact, CallError> {
        let begun = Instant::now();
        let response = answer(self.client.get(self.server.config_url())).await?;
        let took = begun.elapsed();
        let (date, certificate_ends) = (date(&response), certificate_ends(&response));
        Ok(Contact { config: json_body(response).await, date, certificate_ends, took })
    }

    /// Asks whether the server can do its work now.
    pub(crate) async fn ready(&self) -> Result<(), CallError> {
        answer(self.client.get(self.server.ready_url())).await.map(|_| ())
    }
}

fn date(response: &Response) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(response.headers().get(DATE)?).ok()
}

fn certificate_ends(response: &Response) -> Option<Timestamp> {
    certificate::not_after(response.extensions().get::<TlsInfo>()?.peer_certificate()?)
}
