//! What was sent from this machine, with the real CLI and server: list, info, edit, rm, and what a pipe may do.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Haulier, Http, Reply, Server, eventually, random_bytes};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

async fn ok(haulier: &Haulier, arguments: &[&str]) -> String {
    let output = haulier.run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    stdout(&output)
}

async fn json(haulier: &Haulier, arguments: &[&str]) -> Value {
    let text = ok(haulier, arguments).await;
    serde_json::from_str(text.lines().last().expect("a line")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn what_was_sent_is_listed_without_its_secrets_and_damaged_records_are_passed_over() {
    let server = Server::start();
    let haulier = Haulier::new();
    let first = haulier.send(&haulier.file("first.txt", b"1"), server.url(), &["--name", "a \u{1f69a} b.txt"]).await;
    let second = haulier.send(&haulier.file("second.txt", b"22"), server.url(), &[]).await;
    let sent = haulier.home().join("state/haulier/sent");
    std::fs::write(sent.join(format!("{}.json", "0".repeat(32))), "{\"v\":1,").expect("written");
    std::fs::copy(sent.join(format!("{}.json", first.transfer_id)), sent.join(format!("{}.json", "1".repeat(32))))
        .expect("a record under another name is none");

    let list = json(&haulier, &["list", "--json"]).await;
    let ids: Vec<&str> = list["transfers"].as_array().expect("transfers").iter().map(id_of).collect();
    assert_eq!(ids, [&second.transfer_id, &first.transfer_id], "newest first");
    assert_eq!(list["damaged"].as_array().map(Vec::len), Some(2), "{list}");
    assert_eq!(list["transfers"][0]["file_size"], 2);
    assert_eq!(list["transfers"][0]["expired"], false);

    let output = haulier.run(["list"]).await;
    let text = stdout(&output) + &stderr(&output);
    assert!(text.contains("second.txt") && text.contains(server.url()), "{text}");
    assert!(text.contains(&"0".repeat(32)) && text.contains("cannot be read"), "{text}");
    for secret in secrets(&haulier, &[&first.link, &second.link]) {
        assert!(!text.contains(&secret) && !list.to_string().contains(&secret));
    }
}

fn id_of(transfer: &Value) -> &str {
    transfer["transfer_id"].as_str().expect("an id")
}

/// Every key of these links, and every owner token that is kept.
fn secrets(haulier: &Haulier, links: &[&str]) -> Vec<String> {
    let keys = links.iter().map(|link| link.rsplit('/').next().expect("a key").to_owned());
    let mut tokens = Vec::new();
    for entry in std::fs::read_dir(haulier.home().join("state/haulier/sent")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        if let Ok(record) = serde_json::from_slice::<Value>(&std::fs::read(path).expect("readable")) {
            assert_eq!(mode, 0o600);
            tokens.push(record["owner_token"].as_str().expect("a token").to_owned());
        }
    }
    assert!(tokens.len() > 1);
    keys.chain(tokens).collect()
}

#[tokio::test]
async fn rm_takes_ids_their_beginnings_and_links_and_tries_all() {
    let server = Server::start();
    let (haulier, http) = (Haulier::new(), Http::new(&server));
    let path = haulier.file("a.txt", b"a");
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(haulier.send(&path, server.url(), &[]).await);
    }
    let status = |id: String| {
        let http = http.clone();
        async move { Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await.status.as_u16() }
    };
    let text = ok(&haulier, &["rm", &sent[0].transfer_id[..10], &sent[1].link]).await;
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("a.txt"), "{text}");
    assert_eq!((status(sent[0].transfer_id.clone()).await, status(sent[1].transfer_id.clone()).await), (410, 410));

    // Deleted elsewhere: done, and said.
    let record = haulier.home().join(format!("state/haulier/sent/{}.json", sent[2].transfer_id));
    let kept = std::fs::read(&record).expect("a record");
    ok(&haulier, &["rm", &sent[2].transfer_id]).await;
    std::fs::write(&record, kept).expect("written");
    let text = ok(&haulier, &["rm", &sent[2].transfer_id]).await;
    assert!(text.contains("no longer"), "{text}");
    assert!(!record.exists());

    // One that fails does not stop the others.
    let stranger = "f".repeat(32);
    let output = haulier.run(["rm", &stranger, "abc", "video.mp4", &sent[3].transfer_id]).await;
    let told = stderr(&output);
    assert!(!output.status.success());
    assert!(told.contains("was not sent from this machine"), "{told}");
    assert!(told.contains("at least 6") && told.contains("video.mp4: this is neither"), "{told}");
    assert_eq!(status(sent[3].transfer_id.clone()).await, 410);
    assert!(ok(&haulier, &["list"]).await.contains("Nothing was sent"));
}

#[tokio::test]
async fn an_upload_can_be_given_up_but_not_while_it_runs() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("large.bin", &random_bytes(64 << 20));
    let arguments = ["send", path.to_str().expect("UTF-8"), "--to", server.url(), "--chunk-size", "64KiB", "--quiet"];
    let mut child = haulier.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let uploads = haulier.home().join("state/haulier/uploads");
    let begun = || std::fs::read_dir(&uploads).into_iter().flatten().flatten().find(|entry| is_whole(&entry.path()));
    eventually("an upload begins", || begun().is_some()).await;
    let id = begun().expect("an upload").file_name().into_string().expect("an id");

    let list = json(&haulier, &["list", "--json"]).await;
    assert_eq!((&list["uploads"][0]["in_use"], &list["uploads"][0]["name"]), (&true.into(), &"large.bin".into()));
    let output = haulier.run(["rm", &id[..8]]).await;
    assert!(!output.status.success() && stderr(&output).contains("another process"), "{output:?}");
    assert!(uploads.join(&id).exists());

    child.kill().expect("killed");
    child.wait().expect("ended");
    let list = ok(&haulier, &["list"]).await;
    assert!(list.contains("Not finished") && list.contains("large.bin"), "{list}");
    let output = haulier.run(["edit", &id, "--expires", "1h"]).await;
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let text = ok(&haulier, &["rm", &id[..8]]).await;
    assert!(text.starts_with("Gave up"), "{text}");
    assert!(!uploads.join(&id).exists());
    let http = Http::new(&server);
    assert_eq!(Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await.status.as_u16(), 410);
}

fn is_whole(upload: &std::path::Path) -> bool {
    !upload.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[tokio::test]
async fn edit_changes_the_server_and_the_record_and_refuses_what_the_server_cannot_do() {
    let server = Server::start();
    let haulier = Haulier::new();
    let sent = haulier.send(&haulier.file("a.txt", b"a"), server.url(), &[]).await;
    let before = json(&haulier, &["info", &sent.link, "--json"]).await;
    let changed = json(&haulier, &["edit", &sent.link, "--expires", "2h", "--json"]).await;
    let after = json(&haulier, &["info", &sent.transfer_id[..6], "--json"]).await;
    assert_eq!(changed["expires_at"], after["expires_at"]);
    assert_ne!(before["expires_at"], after["expires_at"]);
    let list = json(&haulier, &["list", "--json"]).await;
    assert_eq!(list["transfers"][0]["expires_at"], changed["expires_at"]);
    let text = ok(&haulier, &["edit", &sent.transfer_id, "--expires", "3d"]).await;
    assert!(text.contains("a.txt expires in"), "{text}");

    for (arguments, code, words) in [(&["--expires", "0s"][..], 9, "keeps transfers from"), (&[][..], 2, "required")] {
        let output = haulier.run([&["edit", &sent.transfer_id][..], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).contains(words), "{output:?}");
    }
    ok(&haulier, &["edit", &sent.transfer_id, "--downloads", "0"]).await;
}

#[tokio::test]
async fn limits_of_downloads_are_noted_when_they_are_set_and_when_they_are_changed() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("a.txt", b"a");
    let sent = haulier.send(&path, server.url(), &["--downloads", "3"]).await;
    let listed = async || {
        let list = json(&haulier, &["list", "--json"]).await;
        list["transfers"][0]["max_downloads"].clone()
    };
    assert_eq!(listed().await, 3);
    assert!(ok(&haulier, &["list"]).await.contains("at most 3"));
    let text = ok(&haulier, &["edit", &sent.transfer_id, "--downloads", "1"]).await;
    assert!(text.contains("or after 1 download in all."), "{text}");
    assert_eq!(listed().await, 1);
    // What is not asked for stays, and is said.
    let changed = json(&haulier, &["edit", &sent.transfer_id, "--expires", "2h", "--json"]).await;
    assert_eq!((&changed["max_downloads"], listed().await), (&1.into(), 1.into()));
    ok(&haulier, &["edit", &sent.transfer_id, "--downloads", "0"]).await;
    assert_eq!(listed().await, 0);
    assert!(!ok(&haulier, &["list"]).await.contains("DOWNLOADS"), "no limit, no column");

    // An earlier version did not note it.
    let record = haulier.home().join(format!("state/haulier/sent/{}.json", sent.transfer_id));
    let mut old: Value = serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("JSON");
    old.as_object_mut().expect("an object").remove("max_downloads");
    std::fs::write(&record, old.to_string()).expect("written");
    assert_eq!(listed().await, Value::Null);
}

#[tokio::test]
async fn info_says_what_the_server_says_and_which_state_it_is_in() {
    let server = Server::start();
    let (haulier, http) =
        (Haulier::new().env("HAULIER_PASSPHRASE", "correct horse battery staple"), Http::new(&server));
    let path = haulier.file("a.txt", b"hello");
    let sent = haulier.send(&path, server.url(), &["--passphrase-only"]).await;
    let info = json(&haulier, &["info", &sent.link, "--json"]).await;
    assert_eq!((&info["passphrase"], &info["state"]), (&true.into(), &"completed".into()));
    assert_eq!((&info["file_size"], &info["total_chunks"]), (&5.into(), &1.into()));

    let pending = crate::harness::Sample::new(1, 65_536);
    pending.create(&http).await.ok();
    let link = format!("{}/#{}/{}", server.url(), pending.id, "A".repeat(43));
    let text = ok(&haulier, &["info", &link]).await;
    assert!(text.contains("still uploading") && !text.contains("AAAA"), "{text}");
    let output = haulier.run(["info", &link.replace(pending.id.as_str(), &"0".repeat(32))]).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[tokio::test]
async fn a_reader_who_goes_away_ends_it_quietly() {
    let haulier = Haulier::new();
    for arguments in [&["completions", "bash"][..], &["man"], &["list", "--json"], &["--help"]] {
        let mut child =
            haulier.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut told).expect("UTF-8");
        let status = child.wait().expect("it ends");
        assert_eq!(told, "", "{arguments:?}");
        assert!(status.code().is_some_and(|code| code <= 1), "{arguments:?}: {status}");
    }
}
