//! `haulier send --downloads` and `haulier get`: one place for one get, however often either side begins again.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use haulier_wire::header::LEASE;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Haulier, Http, Proxy, Reply, SentLine, Server, ServerOptions, random_bytes};

const CHUNKS: usize = 48;

struct Sent {
    haulier: Haulier,
    bytes: Vec<u8>,
    line: SentLine,
}

async fn sent(server: &Server, downloads: &str) -> Sent {
    let haulier = Haulier::new();
    let bytes = random_bytes(CHUNKS * 65_536 - 5);
    let path = haulier.file("sent.bin", &bytes);
    let line = haulier.send(&path, server.url(), &["--chunk-size", "64KiB", "--downloads", downloads]).await;
    Sent { haulier, bytes, line }
}

async fn count(server: &Server, id: &str) -> (u64, u64, String) {
    let info: Value = Reply::to(Http::new(server).get(&format!("/api/transfers/info/{id}"))).await.ok().json();
    let number = |name: &str| info[name].as_u64().expect("a number");
    (number("download_count"), number("downloads_remaining"), info["status"].as_str().expect("a text").to_owned())
}

fn kept_tokens(home: &Path) -> usize {
    std::fs::read_dir(home.join("state/haulier/leases")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_get_spends_one_download() {
    let server = Server::start();
    let Sent { haulier, bytes, line } = sent(&server, "2").await;
    haulier.get(&line.link, Path::new("one.bin")).await;
    assert!(std::fs::read(haulier.home().join("one.bin")).expect("there") == bytes);
    assert_eq!(count(&server, &line.transfer_id).await, (1, 1, "completed".to_owned()));
    assert_eq!(kept_tokens(haulier.home()), 0, "nothing is kept of it");
    // To a stream, and what is in the way takes none.
    let output = haulier.run(["get", &line.link, "-o", "one.bin"]).await;
    assert!(!output.status.success());
    assert_eq!(count(&server, &line.transfer_id).await.0, 1);
    let output = haulier.run(["get", &line.link, "-o", "-"]).await;
    assert!(output.stdout == bytes);
    assert_eq!(count(&server, &line.transfer_id).await, (2, 0, "exhausted".to_owned()));
    let output = haulier.run(["get", &line.link, "-o", "three.bin"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("every download that the sender allowed is spent"), "{told}");
    let info = haulier.run(["info", &line.link]).await;
    assert!(String::from_utf8_lossy(&info.stdout).contains("2 of at most 2"), "{info:?}");
}

/// A get that is killed in the middle.
async fn get_a_part(haulier: &Haulier, proxy: &Proxy, link: &str) {
    proxy.limit(2 << 20);
    let mut command = haulier.command(["get", link, "-o", "got.bin"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("haulier starts");
    let gets = || proxy.record().whole_gets().values().sum::<usize>();
    let before = gets();
    while gets() < before + CHUNKS / 8 {
        assert!(child.try_wait().expect("a child").is_none(), "it ended too early");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    proxy.hang_up().await;
}

/// What broke off that often is no reason to throw away what has arrived: the sender may have allowed more.
#[tokio::test]
async fn a_place_that_is_used_up_is_followed_by_another() {
    let server = Server::start();
    let http = Http::new(&server);
    let Sent { haulier, bytes, line } = sent(&server, "2").await;
    let proxy = Proxy::to(server.address()).await;
    let link = line.link.replace(server.url(), proxy.url());
    get_a_part(&haulier, &proxy, &link).await;
    let requests = proxy.record().all();
    let chunk =
        requests.iter().find(|exchange| exchange.request.path.contains("/chunk/")).expect("a chunk was asked for");
    let header = |name: &str| {
        let found = chunk.request.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.expect("the header").1.clone()
    };
    let (token, lease) = (header("authorization"), header(LEASE));
    let mut index = 0;
    while {
        let get = http.get(&format!("/api/transfers/download/{}/chunk/{index}", line.transfer_id));
        let reply = Reply::to(get.header("authorization", &token).header(LEASE, &lease)).await;
        assert!(reply.status == 200 || reply.status == 410, "{}", reply.status);
        reply.status == 200
    } {
        index = (index + 1) % CHUNKS;
    }
    let place = format!("/api/transfers/lease/{}", line.transfer_id);
    let guest = |method| http.request(method, &place).header("authorization", &token).header(LEASE, "of-another-guest");
    Reply::to(guest(reqwest::Method::POST)).await.ok();
    proxy.limit(1 << 30);
    let output = haulier.run(["get", &link, "-o", "got.bin"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("others are getting it"), "{told}");
    let is_part = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".part");
    let mut files = std::fs::read_dir(haulier.home()).expect("a folder");
    let is_kept = files.any(|file| is_part(&file.expect("one").file_name()));
    assert!(is_kept, "what has arrived stays: {told}");
    Reply::to(guest(reqwest::Method::DELETE)).await.ok();
    haulier.get(&link, Path::new("got.bin")).await;
    assert!(std::fs::read(haulier.home().join("got.bin")).expect("there") == bytes);
    assert_eq!(count(&server, &line.transfer_id).await, (2, 0, "exhausted".to_owned()));
    assert_eq!(kept_tokens(haulier.home()), 0);
}

#[tokio::test]
async fn a_get_that_is_killed_between_servers_that_are_killed_spends_one() {
    let folder = TempDir::new().expect("a folder");
    let address = crate::harness::free_address().to_string();
    let start = || {
        let options = ServerOptions::default().env("HAULIER_LISTEN", &address);
        Server::start_with(options.data_dir(&folder.path().join("data")))
    };
    let mut server = start();
    let Sent { haulier, bytes, line } = sent(&server, "1").await;
    let proxy = Proxy::to(server.address()).await;
    let link = line.link.replace(server.url(), proxy.url());
    // What is on its way to one that is killed is paid for: after a few such, one place would be spent on that alone.
    for round in 0..2 {
        get_a_part(&haulier, &proxy, &link).await;
        assert_eq!(kept_tokens(haulier.home()), 1);
        server.kill();
        server = start();
        assert_eq!(count(&server, &line.transfer_id).await.0, 0, "round {round}");
        // The place is theirs.
        let other = Haulier::new();
        let output = other.run(["get", &link, "-o", "x.bin"]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("others are getting it"), "{told}");
    }
    proxy.limit(1 << 30);
    haulier.get(&link, Path::new("got.bin")).await;
    assert!(std::fs::read(haulier.home().join("got.bin")).expect("there") == bytes);
    assert_eq!(count(&server, &line.transfer_id).await, (1, 0, "exhausted".to_owned()));
    assert_eq!(kept_tokens(haulier.home()), 0);
}

#[tokio::test]
async fn an_owner_limits_and_sees_it() {
    let server = Server::start();
    let Sent { haulier, line, .. } = sent(&server, "5").await;
    let edited = haulier.run(["edit", &line.transfer_id, "--downloads", "1"]).await;
    assert!(edited.status.success(), "{edited:?}");
    haulier.get(&line.link, Path::new("one.bin")).await;
    let output = haulier.run(["get", &line.link, "-o", "two.bin"]).await;
    assert!(!output.status.success());
    let edited = haulier.run(["edit", &line.transfer_id, "--downloads", "3"]).await;
    assert!(!edited.status.success(), "what is spent stays spent: {edited:?}");
}
