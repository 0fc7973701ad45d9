//! Which addresses of a server are taken.

use super::*;

#[test]
fn plain_http_is_for_this_machine_alone() {
    for (text, allow_http, expected) in [
        ("https://send.example.org", false, Ok(())),
        ("https://send.example.org:8443/", false, Ok(())),
        ("http://127.0.0.1:8080", false, Ok(())),
        ("http://127.9.9.9", false, Ok(())),
        ("http://[::1]:8080", false, Ok(())),
        ("http://localhost:8080", false, Ok(())),
        ("http://haulier.localhost", false, Ok(())),
        ("http://localhost.example.org", false, Err(AddressError::PlainHttp)),
        ("http://127.0.0.1.example.org", false, Err(AddressError::PlainHttp)),
        ("http://192.168.1.4", false, Err(AddressError::PlainHttp)),
        ("http://192.168.1.4", true, Ok(())),
        ("ftp://send.example.org", true, Err(AddressError::Scheme)),
        ("https://user@send.example.org", false, Err(AddressError::Surplus)),
        ("https://send.example.org/haulier/", false, Ok(())),
        ("https://send.example.org/?a", false, Err(AddressError::Surplus)),
        ("https://send.example.org/#a", false, Err(AddressError::Surplus)),
        ("send.example.org", false, Err(AddressError::NotAUrl)),
        ("", false, Err(AddressError::NotAUrl)),
    ] {
        assert_eq!(Server::parse(text, allow_http).map(|_| ()), expected, "{text}");
    }
}

#[test]
fn urls_are_built_from_the_origin_and_the_id() {
    let server = Server::parse("https://send.example.org:8443/", false).unwrap();
    let id: TransferId = "00112233445566778899aabbccddeeff".parse().unwrap();
    let url = server.chunk_url("upload", id, 7);
    assert_eq!(
        url.as_str(),
        "https://send.example.org:8443/api/transfers/upload/00112233445566778899aabbccddeeff/chunk/7"
    );
    assert_eq!(server.config_url().as_str(), "https://send.example.org:8443/api/config");
    assert_eq!(server.base(), "https://send.example.org:8443");
    let below = Server::parse("https://send.example.org/haulier/", false).unwrap();
    assert_eq!(below.config_url().as_str(), "https://send.example.org/haulier/api/config");
    assert_eq!(below.base(), "https://send.example.org/haulier");
}
