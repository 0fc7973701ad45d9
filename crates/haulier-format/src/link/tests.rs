//! Links as tables: taken, refused, written again as they were.

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

#[test]
fn debug_shows_no_key() {
    let text = format!("https://h/#{}/{KEY}", "a".repeat(32));
    let shown = format!("{:?}", LinkTarget::parse(&text).unwrap());
    assert!(!shown.contains(&KEY[..8]) && !shown.contains("[0, 1"), "{shown}");
    let shown = format!("{:?}", LinkTarget::parse("https://h/#apple-mango-5623").unwrap());
    assert!(!shown.contains("mango"), "{shown}");
}

#[test]
fn only_a_link_to_a_transfer_is_a_link() {
    let error = |text: &str| Link::parse(text).unwrap_err();
    assert_eq!(error("https://h/#a1b2c3d4e5f6"), Error::LinkKeyMissing);
    assert_eq!(error("https://h/#apple-mango-5623"), Error::FriendlyToken);
}

#[test]
fn kdf_and_mode_go_together() {
    for mode in [KeyMode::Link, KeyMode::LinkPassphrase, KeyMode::Passphrase] {
        assert_eq!(expect_kdf(mode, mode.has_passphrase()), Ok(()));
    }
    assert_eq!(expect_kdf(KeyMode::Link, true), Err(Error::KdfSurplus));
    assert_eq!(expect_kdf(KeyMode::LinkPassphrase, false), Err(Error::KdfMissing));
    assert_eq!(expect_kdf(KeyMode::Passphrase, false), Err(Error::KdfMissing));
}

#[test]
fn bases_have_one_spelling() {
    for (text, base) in [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("HTTPS://Files.Example/Sub/", "https://files.example/Sub"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]:80"),
    ] {
        assert_eq!(parse_base(text).as_deref(), Ok(base));
    }
    let refused = [
        "",
        "h",
        "h/",
        "ftp://h",
        "https:/h",
        "https:///",
        "https://u@h",
        "https://u:p@h",
        "https://h:0",
        "https://h:080",
        "https://h:65536",
        "https://h:",
        "https://[::1",
        "https://::1",
        "https://h//",
        "https://h/a//b",
        "https://h/../a",
        "https://h/a b",
        "https://h?x",
        "https://h#x",
        "https://hé",
        "https://h\\a",
        " https://h",
        "javascript://h",
    ];
    for text in refused {
        assert_eq!(parse_base(text), Err(Error::Base), "{text}");
    }
    let long = format!("https://h/{}", "a".repeat(2048));
    assert_eq!(parse_base(&long), Err(Error::Base));
}

#[test]
fn legacy_links_are_written_as_they_are_read() {
    let (id, key) = ("a1b2c3d4e5f6".parse().unwrap(), LinkKey::from_array(&[7; 32]));
    let text = format_legacy_link("https://send.example.org", &id, &key);
    assert!(text.starts_with("https://send.example.org/en-gb/download/#a1b2c3d4e5f6/Bwc"), "{text}");
    let link = Link::parse(&text).unwrap();
    assert_eq!((link.base.as_str(), link.id), ("https://send.example.org", id));
    assert!(matches!(link.mode, LinkMode::Link(read) if read.expose() == key.expose()));
}

#[test]
fn the_legacy_systems_other_forms_are_links_as_well() {
    let id = "a1b2c3d4e5f6";
    for text in [
        format!("https://h/en-gb/gallery/#{id}/{KEY}|photos/7.jpg"),
        format!("https://h/en-gb/download/?token=an-access-token#{id}/{KEY}"),
        format!("https://h/send/v0/v0.1/v0.1.4/download.html#{id}/{KEY}"),
        format!("https://h/#{id}/{KEY}|"),
    ] {
        let link = Link::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((link.base.as_str(), link.id.as_str()), ("https://h", id), "{text}");
    }
    for text in ["https://h/en-gb/view/#apple-mango-5623|a/b", "https://h/?token=x#apple-mango-5623"] {
        assert_eq!(Link::parse(text).unwrap_err(), Error::FriendlyToken, "{text}");
    }
    let long = "a".repeat(32);
    // Links of ours have none of this: a query would have told the server, and nothing stands behind the key.
    for text in [
        format!("https://h/#{long}/{KEY}|photos/7.jpg"),
        format!("https://h/?token=x#{long}/{KEY}"),
        format!("https://h/?other=x#{id}/{KEY}"),
    ] {
        assert!(Link::parse(&text).is_err(), "{text}");
    }
    let ours = Link::parse(&format!("https://h/send/v0/page.html#{long}/{KEY}")).expect("a path of its own");
    assert_eq!(ours.base, "https://h/send/v0/page.html");
}
