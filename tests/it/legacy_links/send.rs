//! `haulier send --legacy`: what it writes, Node opens as the legacy web client does, and `haulier get` as well.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Haulier, LegacyServer, random_bytes, sha256_of};

/// Opens a blob with Node; `{"filename","size","sha256"}`.
pub(super) fn node_opens(blob: &Path, key: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/open-blob.mjs");
    let output = Command::new("node").arg(script).arg(blob).arg(key).output();
    let output = output.expect("node runs: the tests need Node 20 or newer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The last line of a `send --legacy --json` that succeeded.
pub(super) async fn send(haulier: &Haulier, url: &str, arguments: &[&str]) -> Value {
    let output = haulier.run([&["send", "--legacy", "--json", "--to", url], arguments].concat()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().expect("a line")).expect("JSON")
}

#[tokio::test]
async fn node_opens_what_is_sent() {
    let server = LegacyServer::start();
    for (name, size) in [("a.txt", 0), ("hé llo \"q\".txt", 5), ("c.bin", (256 << 10) + 1), ("d.bin", 3 << 20)] {
        let haulier = Haulier::new();
        let path = haulier.file(name, &random_bytes(size));
        let sent = send(&haulier, server.url(), &[name]).await;
        let (id, link) = (sent["transfer_id"].as_str().expect("an id"), sent["link"].as_str().expect("a link"));
        let key = link.strip_prefix(&format!("{}/en-gb/download/#{id}/", server.url())).expect("the legacy form");
        assert_eq!((id.len(), key.len()), (12, 43));
        let blob = haulier.file("blob", &server.payload(id));
        let opened = node_opens(&blob, key);
        assert_eq!(opened["filename"], name);
        assert_eq!((&opened["size"], &opened["sha256"]), (&size.into(), &sha256_of(&path).into()));
        // As the legacy client says it: what is sealed, not what is sent.
        assert_eq!(server.created(id)["file_size_bytes"], server.payload(id).len() - 28);
        assert_eq!(server.created(id)["content_type_hint"], "");
        assert!(server.requests("").iter().all(|request| !request.contains(key)), "the key stays here");

        std::fs::create_dir(haulier.home().join("there")).expect("made");
        let output = haulier.run(["get", link, "-o", "there"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(sha256_of(&haulier.home().join("there").join(name)), sha256_of(&path));
    }
}

#[tokio::test]
async fn an_upload_that_breaks_begins_anew_with_another_key() {
    let server = LegacyServer::start();
    let haulier = Haulier::new();
    let path = haulier.file("a.bin", &random_bytes(4 << 20));
    server.cut_next_upload(1 << 20);
    let sent = send(&haulier, server.url(), &["a.bin"]).await;
    assert_eq!(server.requests("/create").len(), 2, "a transfer for each try");
    let (id, link) = (sent["transfer_id"].as_str().expect("an id"), sent["link"].as_str().expect("a link"));
    let blob = haulier.file("blob", &server.payload(id));
    let opened = node_opens(&blob, link.rsplit('/').next().expect("a key"));
    assert_eq!(opened["sha256"], sha256_of(&path));
}

#[tokio::test]
async fn limits_and_tokens_travel() {
    let server = LegacyServer::start().with_token("the-token");
    let haulier = Haulier::new();
    haulier.file("a.txt", b"hello");
    let output = haulier.run(["send", "--legacy", "a.txt", "--to", server.url()]).await;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let haulier = Haulier::new().env("HAULIER_ACCESS_TOKEN", "the-token");
    haulier.file("a.txt", b"hello");
    let sent = send(&haulier, server.url(), &["a.txt", "--downloads", "3", "--expires", "2d", "--name", "b.txt"]).await;
    let created = server.created(sent["transfer_id"].as_str().expect("an id"));
    assert_eq!((&created["max_downloads"], &sent["name"]), (&3.into(), &"b.txt".into()));
    let expires_at = created["expires_at"].as_str().expect("a moment");
    assert!(expires_at.ends_with("+00:00") && expires_at.len() == 25, "{expires_at}");
    assert!(sent["expires_at"].is_string());
}

#[tokio::test]
async fn one_file_and_no_more() {
    let server = LegacyServer::start();
    let haulier = Haulier::new();
    haulier.file("a.txt", b"hello");
    haulier.file("b.txt", b"hello");
    std::fs::create_dir(haulier.home().join("folder")).expect("made");
    haulier.file("folder/c.txt", b"hello");
    for (arguments, code) in [
        (vec!["a.txt", "b.txt"], 9),
        (vec!["folder"], 9),
        (vec!["nothing-here"], 9),
        (vec!["a.txt", "--passphrase"], 2),
        (vec!["a.txt", "--message", "hi"], 2),
        (vec!["a.txt", "--link-first"], 2),
        (vec!["a.txt", "--chunk-size", "1MiB"], 2),
    ] {
        let output = haulier.run([&["send", "--legacy", "--to", server.url()], &arguments[..]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(server.requests("").is_empty(), "known before any server is asked");
    // An archive is one file.
    let sent = send(&haulier, server.url(), &["--tar", "folder"]).await;
    assert_eq!(sent["name"], "folder.tar");
}
