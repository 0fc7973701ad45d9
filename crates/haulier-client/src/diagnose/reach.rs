//! The server's name and the connection to it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Check, Finding};
use crate::http::Server;

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses that are tried.
const MOST_ADDRESSES: usize = 8;

/// What the HTTP library takes a proxy from.
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

pub(super) async fn check(server: &Server) -> Finding {
    let (host, port) = server.host_and_port();
    if let Some(variable) = proxy_variable(server) {
        return Finding::ok(Check::Network, format!("{variable} is set: {host} may be reached through a proxy"));
    }
    let addresses = match timeout(LOOKUP_TIMEOUT, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.take(MOST_ADDRESSES).collect::<Vec<_>>(),
        Ok(Err(error)) => return no_address(host, &error.to_string()),
        Err(_) => return no_address(host, "no answer from the name server"),
    };
    let mut tries = JoinSet::new();
    for address in addresses {
        tries.spawn(async move { (address, connect(address).await) });
    }
    let mut tried = tries.join_all().await;
    tried.sort_by_key(|(address, _)| *address);
    judge(host, port, &tried)
}

/// The Api goes around proxies for this machine alone.
fn proxy_variable(server: &Server) -> Option<&'static str> {
    let set = |variable: &&str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    PROXY_VARIABLES.into_iter().filter(|_| !server.is_loopback()).find(set)
}

fn no_address(host: &str, reason: &str) -> Finding {
    let message = format!("{host} has no address: {reason}");
    Finding::failed(Check::Network, message, "Check the spelling, and that this machine is online.")
}

async fn connect(address: SocketAddr) -> io::Result<Duration> {
    let begun = Instant::now();
    timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(begun.elapsed())
}

fn judge(host: &str, port: u16, tried: &[(SocketAddr, io::Result<Duration>)]) -> Finding {
    let silent: Vec<String> = tried
        .iter()
        .filter_map(|(address, outcome)| outcome.as_ref().err().map(|error| format!("{} ({error})", address.ip())))
        .collect();
    let fastest = tried.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()).min();
    let Some(fastest) = fastest else {
        let message = format!("{host} does not answer on port {port}: {}", silent.join(", "));
        return Finding::failed(Check::Network, message, "Is the server running, and does a firewall let you through?");
    };
    if silent.is_empty() {
        let message = format!("{host} answers on port {port} in {} ms", fastest.as_millis().max(1));
        return Finding::ok(Check::Network, message);
    }
    let message = format!("{host} answers on port {port}, but not under every address: {}", silent.join(", "));
    Finding::warning(
        Check::Network,
        message,
        "Connections may begin slowly. The server's owner can mend its DNS entry.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Outcome;

    #[test]
    fn one_address_that_answers_is_enough_and_the_others_are_named() {
        let answers = |ip: &str| (SocketAddr::new(ip.parse().unwrap(), 443), Ok(Duration::from_micros(400)));
        let silent = |ip: &str| {
            (SocketAddr::new(ip.parse().unwrap(), 443), Err(io::Error::from(io::ErrorKind::ConnectionRefused)))
        };
        for (tried, outcome, words) in [
            (vec![answers("192.0.2.1")], Outcome::Ok, "in 1 ms"),
            (vec![answers("192.0.2.1"), silent("2001:db8::1")], Outcome::Warning, "2001:db8::1 (connection refused)"),
            (vec![silent("192.0.2.1")], Outcome::Failed, "does not answer on port 443"),
            (vec![], Outcome::Failed, "does not answer"),
        ] {
            let finding = judge("a.example", 443, &tried);
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_and_a_port_that_is_closed() {
        let finding = check(&Server::parse("https://a.invalid", false).unwrap()).await;
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.message.contains("a.invalid has no address"), "{finding:?}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(check(&Server::parse(&url, false).unwrap()).await.outcome, Outcome::Ok);
        drop(listener);
        assert_eq!(check(&Server::parse(&url, false).unwrap()).await.outcome, Outcome::Failed);
    }
}
