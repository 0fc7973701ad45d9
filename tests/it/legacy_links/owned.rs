//! What was sent with `--legacy` is this machine's as well: list, rm and edit know it, on both kinds of servers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;

use haulier_wire::encoding::to_hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::send::send;
use crate::harness::{Haulier, LegacyServer, Server, random_bytes};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn ok(haulier: &Haulier, arguments: &[&str]) -> String {
    let output = haulier.run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

async fn transfers(haulier: &Haulier) -> Vec<Value> {
    let list: Value = serde_json::from_str(&ok(haulier, &["list", "--json"]).await).expect("JSON");
    assert_eq!(list["damaged"], serde_json::json!([]));
    list["transfers"].as_array().expect("transfers").clone()
}

fn record(haulier: &Haulier, id: &str) -> PathBuf {
    haulier.home().join(format!("state/haulier/sent/{id}.json"))
}

/// The token that deletes it, as it is kept.
fn token(haulier: &Haulier, id: &str) -> String {
    let path = record(haulier, id);
    assert_eq!(path.metadata().expect("a record").permissions().mode() & 0o777, 0o600);
    let record: Value = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    assert_eq!((&record["v"], &record["sent_as"]), (&2.into(), &"legacy".into()));
    record["owner_token"].as_str().expect("a token").to_owned()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().expect("a text")
}

#[tokio::test]
async fn it_is_listed_and_deleted_and_never_changed() {
    let (ours, legacy) = (Server::start(), LegacyServer::start());
    for (url, ends) in [(ours.url(), true), (legacy.url(), false)] {
        let haulier = Haulier::new();
        haulier.file("a.txt", b"hello");
        let sent = send(&haulier, url, &["a.txt", "--downloads", "7"]).await;
        let (id, link) = (text(&sent, "transfer_id"), text(&sent, "link"));
        let token = token(&haulier, id);
        if !ends {
            assert_eq!(legacy.created(id)["delete_auth_hash"], to_hex(&Sha256::digest(&token)));
        }
        let known = transfers(&haulier).await;
        assert_eq!((known.len(), &known[0]["transfer_id"], &known[0]["server"]), (1, &id.into(), &url.into()));
        assert_eq!((&known[0]["legacy"], &known[0]["file_size"]), (&true.into(), &5.into()));
        assert_eq!(known[0]["max_downloads"], 7);
        assert_eq!((known[0]["expires_at"].is_string(), &known[0]["expired"]), (ends, &false.into()), "{known:?}");
        let list = ok(&haulier, &["list"]).await;
        assert!(list.contains("a.txt") && list.contains("never") != ends, "{list}");

        let output = haulier.run(["edit", id, "--expires", "2h"]).await;
        assert_eq!(output.status.code(), Some(9), "{}", said(&output));
        assert!(said(&output).contains("sent with --legacy") && said(&output).contains("cannot change"));
        let wanted = if ends { link } else { &id[..6] };
        let removed = ok(&haulier, &["rm", wanted]).await;
        assert!(removed.starts_with("Deleted") && removed.contains("a.txt"), "{removed}");
        let output = haulier.run(["get", link, "-o", "got"]).await;
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(transfers(&haulier).await.is_empty());
        for told in [sent.to_string(), format!("{known:?}"), list, removed] {
            assert!(!told.contains(&token), "the token stays in its file: {told}");
        }
    }
}

#[tokio::test]
async fn what_is_gone_already_is_forgotten_and_what_is_refused_is_kept() {
    let server = LegacyServer::start();
    let haulier = Haulier::new();
    haulier.file("a.txt", b"hello");
    for lost in [true, false] {
        let sent = send(&haulier, server.url(), &["a.txt"]).await;
        let id = text(&sent, "transfer_id");
        let kept = std::fs::read(record(&haulier, id)).expect("a record");
        if lost {
            server.lose(id);
        } else {
            ok(&haulier, &["rm", id]).await;
            std::fs::write(record(&haulier, id), kept).expect("written");
        }
        let told = ok(&haulier, &["rm", id]).await;
        assert!(told.contains("no longer") && !record(&haulier, id).exists(), "{told}");
    }
    let sent = send(&haulier, server.url(), &["a.txt"]).await;
    let (id, path) = (text(&sent, "transfer_id"), record(&haulier, text(&sent, "transfer_id")));
    let right = std::fs::read_to_string(&path).expect("a record");
    std::fs::write(&path, right.replace(&token(&haulier, id), &"x".repeat(43))).expect("written");
    let output = haulier.run(["rm", id]).await;
    assert!(!output.status.success() && said(&output).contains("403"), "{}", said(&output));
    assert!(path.exists(), "nothing was deleted, so it is not forgotten");
    let before = server.requests("DELETE").len();
    ok(&haulier, &["rm", "--forget", id]).await;
    assert_eq!((server.requests("DELETE").len(), path.exists()), (before, false), "no server is asked");
}

#[tokio::test]
async fn the_token_that_is_kept_is_that_of_the_try_that_succeeded() {
    let server = LegacyServer::start();
    let haulier = Haulier::new();
    haulier.file("a.bin", &random_bytes(4 << 20));
    server.cut_next_upload(1 << 20);
    let sent = send(&haulier, server.url(), &["a.bin"]).await;
    let broken = server.requests("/upload/")[0].split(['/', ' ']).nth(5).expect("an id").to_owned();
    let id = text(&sent, "transfer_id");
    assert_ne!(broken, id);
    assert_ne!(server.created(&broken)["delete_auth_hash"], server.created(id)["delete_auth_hash"]);
    assert_eq!(transfers(&haulier).await.len(), 1, "what broke is nothing that was sent");
    assert!(ok(&haulier, &["rm", id]).await.starts_with("Deleted"));
}

#[tokio::test]
async fn a_server_that_chooses_a_known_id_does_not_replace_what_is_known() {
    // Each of them counts from the same number.
    let (first, second) = (LegacyServer::start(), LegacyServer::start());
    let haulier = Haulier::new();
    haulier.file("a.txt", b"hello");
    let sent = send(&haulier, first.url(), &["a.txt"]).await;
    let id = text(&sent, "transfer_id");
    let output = haulier.run(["send", "--legacy", "a.txt", "--to", second.url()]).await;
    assert!(output.status.success() && said(&output).contains(&format!("#{id}/")), "{}", said(&output));
    assert!(said(&output).contains("could not be noted here"), "{}", said(&output));
    assert_eq!(transfers(&haulier).await[0]["server"], first.url());
    assert!(ok(&haulier, &["rm", id]).await.starts_with("Deleted"));
    assert_eq!(second.requests("DELETE").len(), 0);
}
