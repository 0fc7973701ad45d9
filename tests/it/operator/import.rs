//! Import: the older system's transfers, from both of its layouts, beside a running server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use haulier_wire::ProblemType;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{lines, operate, start, stderr, stdout};
use crate::harness::{Http, Reply, ServerOptions, files_below};

const SHARDED: &str = "sg-send__data/sg-send-api__v1.0/shared/transfers";

/// A store of the older system.
struct Source {
    folder: TempDir,
}

impl Source {
    /// With one transfer in each layout, and one of each sort that cannot be taken.
    fn new() -> Self {
        let source = Self { folder: TempDir::new().expect("a folder") };
        source.put(SHARDED, "a1b2c3d4e5f6", &json!({}), Some(&[7; 28 + 5]));
        source.put(
            "transfers",
            "00aa11bb22cc",
            &json!({"expires_at": "2030-01-01T00:00:00+00:00", "download_count": 4}),
            Some(b"hello"),
        );
        for (id, status) in [("000000000001", "pending"), ("000000000002", "deleted"), ("000000000003", "exhausted")] {
            source.put(SHARDED, id, &json!({ "status": status }), Some(b"x"));
        }
        source.put(SHARDED, "000000000004", &json!({"expires_at": "2020-01-01T00:00:00+00:00"}), Some(b"x"));
        source.put(SHARDED, "000000000005", &json!({"expires_at": "garbage"}), Some(b"x"));
        source.put(SHARDED, "000000000006", &json!({}), None);
        source.put(SHARDED, "000000000007", &json!({"transfer_id": "000000000008"}), Some(b"x"));
        source.write("transfers/000000000009/meta.json", b"{");
        // None of these is a transfer.
        source.write("sg-send__data/sg-send-api__v1.0/shared/vault/ab/abcdef12/bare/data/o1/payload", b"vault");
        source.write("elsewhere/a1b2c3d4e5f7/meta.json", b"{}");
        source
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    fn put(&self, layout: &str, id: &str, more: &Value, payload: Option<&[u8]>) {
        let folder =
            if layout == "transfers" { format!("{layout}/{id}") } else { format!("{layout}/{}/{id}", &id[..2]) };
        let mut meta = json!({
            "transfer_id": id, "status": "completed", "file_size_bytes": 5, "content_type_hint": "text/plain",
            "created_at": "2026-11-21T08:50:39.961450+00:00", "sender_ip_hash": "e3b0", "download_count": 0,
            "max_downloads": 0, "auto_delete": false, "expires_at": "",
            "delete_auth_hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "events": [{"action": "complete", "timestamp": "2026-11-21T08:50:41+00:00"}],
        });
        for (name, value) in more.as_object().expect("members") {
            meta[name] = value.clone();
        }
        self.write(&format!("{folder}/meta.json"), meta.to_string().as_bytes());
        if let Some(payload) = payload {
            self.write(&format!("{folder}/payload"), payload);
        }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().expect("UTF-8")
    }

    /// Everything in it, and when it was written.
    fn contents(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let files = files_below(self.folder.path()).into_iter().filter(|path| path.is_file());
        let content = |path: &Path| {
            (fs::read(path).expect("read"), fs::metadata(path).expect("there").modified().expect("a time"))
        };
        files.map(|path| (path.clone(), content(&path))).collect()
    }
}

fn numbers(sum: &Value) -> [u64; 6] {
    ["found", "imported", "without_end", "known", "over", "failed"].map(|name| sum[name].as_u64().expect("a number"))
}

#[tokio::test]
async fn what_can_be_downloaded_is_taken_and_the_rest_is_reported() {
    let (source, folder) = (Source::new(), TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    let server = start(&data);
    let http = Http::new(&server);
    let before = source.contents();

    let dry = lines(&operate(&data, &["import", source.path(), "--dry-run", "--json"]).await, 1);
    assert_eq!(numbers(dry.last().expect("a sum")), [10, 2, 1, 0, 4, 4], "{dry:?}");
    Reply::to(http.get("/api/transfers/info/a1b2c3d4e5f6")).await.is(ProblemType::TransferNotFound);

    let said = lines(&operate(&data, &["import", source.path(), "--json"]).await, 1);
    assert_eq!(numbers(said.last().expect("a sum")), [10, 2, 1, 0, 4, 4], "{said:?}");
    let reason = |id: &str| {
        let line = said.iter().find(|line| line["transfer_id"] == id).unwrap_or_else(|| panic!("nothing of {id}"));
        (line["imported"].as_bool().expect("a bool"), line["reason"].as_str().expect("a text").to_owned())
    };
    for (id, word) in [
        ("000000000001", "never completed"),
        ("000000000002", "deleted"),
        ("000000000003", "used up"),
        ("000000000004", "expired"),
        ("000000000005", "expires_at"),
        ("000000000006", "missing"),
        ("000000000007", "another transfer"),
        ("000000000009", "not what"),
    ] {
        let (imported, said) = reason(id);
        assert!(!imported && said.contains(word), "{id}: {said}");
    }
    assert_eq!(
        reason("00aa11bb22cc"),
        (true, "its payload has 5 bytes; sealed, what its sender announced has 33".into())
    );
    assert!(source.contents() == before, "the source is as it was");

    let read = async |id: &str| Reply::to(http.get(&format!("/api/transfers/download/{id}"))).await.ok().body;
    assert_eq!(&*read("a1b2c3d4e5f6").await, &[7; 33]);
    assert_eq!(&*read("00aa11bb22cc").await, b"hello");
    let info: Value = Reply::to(http.get("/api/transfers/info/00aa11bb22cc")).await.ok().json();
    let expected = [
        ("status", json!("completed")),
        ("file_size_bytes", json!(5)),
        ("content_type_hint", json!("text/plain")),
        ("created_at", json!("2026-11-21T08:50:39.961Z")),
        ("download_count", json!(5)),
        ("expires_at", json!("2030-01-01T00:00:00Z")),
    ];
    for (name, value) in expected {
        assert_eq!(info[name], value, "{name}");
    }
    Reply::to(http.get("/api/transfers/info/000000000002")).await.is(ProblemType::TransferNotFound);

    // Again: everything that was taken is known, whatever became of it here.
    let delete = http.request(Method::DELETE, "/api/transfers/delete/a1b2c3d4e5f6");
    Reply::to(delete.header("x-sgraph-transfer-delete-auth", "foo")).await.ok();
    let again = lines(&operate(&data, &["import", source.path(), "--json"]).await, 1);
    assert_eq!(numbers(again.last().expect("a sum")), [10, 0, 0, 2, 4, 4], "{again:?}");
    Reply::to(http.get("/api/transfers/download/a1b2c3d4e5f6")).await.is(ProblemType::TransferNotFound);
}

/// Two deployments, or both layouts: one of them is taken, and nobody is to think that both were.
#[tokio::test]
async fn an_id_that_the_source_has_twice_is_said_and_not_known() {
    let (source, folder) = (Source { folder: TempDir::new().expect("a folder") }, TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    let server = start(&data);
    for layout in ["transfers", SHARDED, "sg-send__data/sg-send-api__v1.0/other/transfers"] {
        source.put(layout, "a1b2c3d4e5f6", &json!({ "delete_auth_hash": "FOO" }), Some(&[7; 33]));
    }
    // Only one of these can be downloaded: that one is taken, whichever is found first.
    source.put("transfers", "a1b2c3d4e5f7", &json!({ "status": "pending" }), None);
    source.put(SHARDED, "a1b2c3d4e5f7", &json!({}), Some(&[8; 33]));
    for (flags, taken) in [(&["--dry-run"][..], 2), (&[], 2), (&[], 0)] {
        let arguments = [&["import", source.path(), "--json"], flags].concat();
        let said = lines(&operate(&data, &arguments).await, 1);
        let [found, imported, _, known, over, failed] = numbers(said.last().expect("a sum"));
        assert_eq!((found, imported, known, over + failed), (5, taken, 2 - taken, 3), "{said:?}");
        let of_it = |word: &str| {
            let says_it = |line: &&Value| line["reason"].as_str().is_some_and(|reason| reason.contains(word));
            said.iter().filter(says_it).map(|line| line["imported"].clone()).collect::<Vec<_>>()
        };
        assert!(of_it("twice").iter().all(|imported| imported == false) && of_it("twice").len() >= 2, "{said:?}");
        let without_delete = if taken > 0 { vec![json!(true)] } else { Vec::new() };
        assert_eq!(of_it("delete_auth_hash"), without_delete, "{said:?}");
    }
    let http = Http::new(&server);
    for (id, byte) in [("a1b2c3d4e5f6", 7), ("a1b2c3d4e5f7", 8)] {
        assert_eq!(&*Reply::to(http.get(&format!("/api/transfers/download/{id}"))).await.ok().body, &[byte; 33]);
    }
}

#[tokio::test]
async fn a_run_that_was_cut_off_leaves_nothing_that_the_next_one_does_not_mend() {
    let (source, folder) = (Source::new(), TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    drop(start(&data));
    // What a run leaves that ends between its blob and its row.
    let half = data.join("blobs/transfers/a1b2c3d4e5f6/payloads");
    fs::create_dir_all(&half).expect("made");
    fs::write(half.join("00112233445566aa"), b"half").expect("written");
    // And one that ends while it copies, long ago.
    let staged = data.join("blobs/staging/beside-00112233445566778899aabbccddeeff-0");
    fs::write(&staged, b"half").expect("written");
    let file = fs::File::options().write(true).open(&staged).expect("opens");
    file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).expect("set");
    lines(&operate(&data, &["import", source.path(), "--json"]).await, 1);
    assert_eq!(files_below(&half).len(), 1, "the old copy is gone");
    assert!(!staged.exists(), "and what was staged for it");
    let server = start(&data);
    let http = Http::new(&server);
    assert_eq!(Reply::to(http.get("/api/transfers/download/a1b2c3d4e5f6")).await.ok().body.len(), 33);
    let output = operate(&data, &["doctor", "--verify", "--older-than", "0s"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// As `lost+found` is, and as one file that another user has written into the folder.
#[tokio::test]
async fn what_cannot_be_read_is_reported_and_everything_else_is_taken() {
    let (source, folder) = (Source::new(), TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    drop(start(&data));
    for id in ["0000000000a1", "0000000000a2", "0000000000a3", "0000000000a4", "0000000000a5"] {
        source.put(SHARDED, id, &json!({}), Some(&[7; 33]));
    }
    let at = |name: &str| source.folder.path().join(name);
    let of = |id: &str, name: &str| at(&format!("{SHARDED}/00/{id}/{name}"));
    fs::create_dir(at("lost+found")).expect("made");
    let locked = [at("lost+found"), of("0000000000a1", "payload"), of("0000000000a2", "meta.json")];
    fs::remove_file(of("0000000000a3", "payload")).expect("removed");
    fs::create_dir(of("0000000000a3", "payload")).expect("made");
    fs::remove_file(of("0000000000a4", "payload")).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(of("0000000000a4", "payload")).status();
    assert!(made.expect("mkfifo runs").success());
    fs::remove_file(of("0000000000a5", "meta.json")).expect("removed");
    fs::create_dir(of("0000000000a5", "meta.json")).expect("made");
    for path in &locked {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("changed");
    }
    let arguments = ["import", source.path(), "--json"];
    let output = super::operate_as_nobody(&[folder.path(), source.folder.path()], &data, &arguments).await;
    let said = lines(&output, 1);
    for path in &locked {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("changed");
    }
    let sum = said.last().expect("a sum");
    assert_eq!((numbers(sum), &sum["unreadable"]), ([14, 2, 1, 0, 4, 8], &json!(1)), "{said:?}");
    let denied = "Permission denied";
    for (id, word) in [
        ("0000000000a1", denied),
        ("0000000000a2", denied),
        ("0000000000a3", "its payload is missing"),
        ("0000000000a4", "its payload is missing"),
    ] {
        let line = said.iter().find(|line| line["transfer_id"] == id).unwrap_or_else(|| panic!("nothing of {id}"));
        assert!(line["imported"] == false && line["reason"].as_str().expect("a text").contains(word), "{line}");
    }
    let unreadable = said.iter().find(|line| line["unreadable"].is_string()).expect("it is said");
    assert_eq!(unreadable["unreadable"], locked[0].to_str().expect("UTF-8"));
    assert!(unreadable["reason"].as_str().expect("a text").contains(denied), "{unreadable}");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_no_empty_one() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    drop(start(&data));
    let missing = folder.path().join("missing");
    let output = operate(&data, &["import", missing.to_str().expect("UTF-8")]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("SOURCE"), "{output:?}");
    let output = operate(&data, &["import", "s3://"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let empty = TempDir::new().expect("a folder");
    let output = operate(&data, &["import", empty.path().to_str().expect("UTF-8")]).await;
    assert_eq!((output.status.code(), stdout(&output).starts_with("found 0 transfers")), (Some(0), true), "{output:?}");
}

#[tokio::test]
async fn a_bucket_is_taken_over_like_a_folder() {
    for objects in crate::s3::everywhere() {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("data");
        let server = start(&data);
        // A server makes the bucket, if no other test has had one yet.
        drop(objects.serve_at(&objects.url, ServerOptions::default()).await);
        let source = Source::new();
        for (path, (bytes, _)) in source.contents() {
            let name = path.strip_prefix(source.folder.path()).expect("below").to_str().expect("UTF-8");
            objects.put(name, &bytes).await;
        }
        let names = objects.names().await;
        let keys =
            [("AWS_ACCESS_KEY_ID", &*objects.store.access_key), ("AWS_SECRET_ACCESS_KEY", &*objects.store.secret_key)];
        let output = super::operate_with(&data, &["import", &objects.url, "--json"], &keys).await;
        let said = lines(&output, 1);
        assert_eq!(numbers(said.last().expect("a sum")), [10, 2, 1, 0, 4, 4], "{said:?}");
        let http = Http::new(&server);
        assert_eq!(Reply::to(http.get("/api/transfers/download/a1b2c3d4e5f6")).await.ok().body.len(), 33);
        assert_eq!(objects.names().await, names, "the source is as it was");
    }
}
