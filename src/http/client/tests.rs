//! Whose word is taken for where a request comes from.

use actix_web::http::header::HeaderValue;
use clap::Parser as _;

use super::*;
use crate::config::Cli;

fn trusted(networks: &str) -> Vec<Network> {
    let cli = Cli::try_parse_from(["haulier-server", "--trusted-proxies", networks]).expect("flags");
    cli.check().expect("settings").1.trusted_proxies
}

fn seen(peer: &str, lines: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
    }
    address(&trusted("10.0.0.0/8,fd00::/8"), peer.parse().expect("an address"), &headers).to_string()
}

#[test]
fn only_a_trusted_proxy_is_asked() {
    assert_eq!(seen("192.0.2.9", &[]), "192.0.2.9");
    assert_eq!(seen("192.0.2.9", &["198.51.100.1"]), "192.0.2.9", "anybody can write that");
    assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    assert!(trusted("").is_empty());
}

#[test]
fn the_rightmost_that_nobody_trusts_is_the_client() {
    for (lines, client) in [
        (&["203.0.113.5, 198.51.100.1"][..], "198.51.100.1"),
        (&["203.0.113.5, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (&["203.0.113.5", "198.51.100.1,10.0.0.2", "fd00::1"], "198.51.100.1"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&["198.51.100.1:4711"], "198.51.100.1"),
        (&["[2001:db8::1]:4711"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["203.0.113.5, unknown"], "10.0.0.1"),
        (&["203.0.113.5, , 10.0.0.2"], "10.0.0.2"),
        (&["203.0.113.5, \u{f6}"], "10.0.0.1"),
        (&["\u{f6}, 198.51.100.1"], "198.51.100.1"),
        (&[""], "10.0.0.1"),
    ] {
        assert_eq!(seen("10.0.0.1", lines), client, "{lines:?}");
    }
}
