//! `healthcheck`: one GET /readyz to the server on this machine, by hand: a status line is all that is wanted.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use tokio::sync::oneshot;

use super::say;
use crate::config::Config;

/// The longest that the whole check takes.
const TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// Of the answer, no more than the status line matters.
const MAX_HEAD_BYTES: u64 = 256;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let (listen, is_tls) = (config.listen, config.tls.is_some());
    let (answer, asked) = oneshot::channel();
    // A thread of its own: the end of the process does not wait for it, whatever the other side drips.
    std::thread::spawn(move || answer.send(ask(listen, is_tls)));
    let asked = tokio::time::timeout(TIMEOUT, asked).await.context("no answer within 5 s")?;
    say(&asked??);
    Ok(ExitCode::SUCCESS)
}

/// Asks for readiness; an answer other than 200 is an error.
fn ask(listen: SocketAddr, is_tls: bool) -> anyhow::Result<String> {
    let address = reachable(listen)?;
    let stream = TcpStream::connect_timeout(&address, TIMEOUT);
    let mut stream = stream.with_context(|| format!("nothing listens on {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let status = if is_tls {
        let connection = ClientConnection::new(Arc::new(client_config()?), ServerName::from(address.ip()))?;
        status(&mut StreamOwned::new(connection, stream))
    } else {
        status(&mut stream)
    };
    match status.with_context(|| format!("no answer from {address}"))? {
        200 => Ok(format!("{address} is ready")),
        status @ 500..=599 => {
            bail!("{address} is not ready: its database or its blob store is away, or it is stopping ({status})")
        }
        other => bail!("{address} is no Haulier server: it answers {other}"),
    }
}

/// An address that means all of this machine's is asked at its loopback.
fn reachable(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    ensure!(listen.port() != 0, "HAULIER_LISTEN has port 0: which port the server took, only the server knows");
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listen.port()))
}

fn status(stream: &mut (impl Read + Write)) -> anyhow::Result<u16> {
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    let mut rest = stream.take(MAX_HEAD_BYTES);
    let mut buffer = [0; 64];
    while !head.contains(&b'\n') {
        match rest.read(&mut buffer)? {
            0 => break,
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.context("what answers there does not speak HTTP; HAULIER_TLS_CERT must be the same here and there")
}

/// Takes any certificate: it may be renewed and not yet reloaded, it names no loopback, and nothing secret is said.
fn client_config() -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth())
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
