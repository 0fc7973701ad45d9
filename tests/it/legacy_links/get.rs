//! `haulier get` of links with 12 digits.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Output;

use haulier_wire::encoding::{from_hex, to_hex};
use sha2::{Digest as _, Sha256};

use super::{KEY, named, seal, seal_with, vectors};
use crate::harness::{Haulier, LegacyServer, random_bytes, sha256_of};

const ID: &str = "a1b2c3d4e5f6";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `haulier get LINK ...` into the folder `there` ends with.
async fn get(haulier: &Haulier, link: &str, more: &[&str]) -> Output {
    let _ = std::fs::create_dir(haulier.home().join("there"));
    haulier.run([&["get", link, "-o", "there"], more].concat()).await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_vector_opens_under_its_name() {
    let index = vectors();
    let server = LegacyServer::start();
    let blobs = index["blob"].as_array().expect("blobs");
    assert_eq!(blobs.len(), 6);
    for (number, vector) in blobs.iter().enumerate() {
        let hex = |member: &str| from_hex(vector[member].as_str().unwrap_or_default()).expect("hex");
        let size = usize::try_from(vector["plaintext_size"].as_u64().expect("a size")).expect("fits");
        let mut plain = hex("envelope_prefix_hex");
        plain.extend((0..size).map(|n| u8::try_from(n % 251).expect("fits")));
        let blob = seal_with(hex("iv_hex").try_into().expect("12 bytes"), KEY, &plain);
        assert_eq!(to_hex(&Sha256::digest(&blob)), vector["blob_sha256"]);
        let id = format!("{number:012x}");
        server.put(&id, blob, "completed");
        let haulier = Haulier::new();
        let output = get(&haulier, &format!("{}/en-gb/download/#{id}/{KEY}", server.url()), &[]).await;
        assert!(output.status.success(), "{}", said(&output));
        let name = vector["metadata"]["filename"].as_str().unwrap_or(&id);
        assert_eq!(names(&haulier.home().join("there")), [name], "nothing else stays");
        assert_eq!(sha256_of(&haulier.home().join("there").join(name)), vector["plaintext_sha256"]);
    }
}

#[tokio::test]
async fn a_friendly_token_is_an_id_and_a_key() {
    let index = vectors();
    let friendly = &index["friendly"][0];
    let text = |member: &str| friendly[member].as_str().expect("a text");
    let server = LegacyServer::start();
    server.put(text("transfer_id"), seal(text("key_hex"), &named("a.txt", b"hello")), "completed");
    let haulier = Haulier::new();
    let output = get(&haulier, &format!("{}/en-gb/download/#{}", server.url(), text("token")), &["--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read(haulier.home().join("there/a.txt")).expect("there"), b"hello");
    // The token and its key stay here.
    assert!(!said(&output).contains(text("token")));
    for request in server.requests("") {
        assert!(!request.contains(text("token")) && !request.contains(text("key_base64url")), "{request}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_begins_anew_without_ranges_and_goes_on_with_them() {
    let content = random_bytes(5 << 20);
    for (ranges, expected) in [(false, "GET"), (true, "bytes=")] {
        let server = LegacyServer::start();
        let server = if ranges { server.with_ranges() } else { server };
        server.put(ID, seal(KEY, &named("a.bin", &content)), "completed");
        server.cut_next_download(3 << 20);
        let haulier = Haulier::new();
        let output = get(&haulier, &format!("{}/#{ID}/{KEY}", server.url()), &[]).await;
        assert!(output.status.success(), "{}", said(&output));
        assert!(std::fs::read(haulier.home().join("there/a.bin")).expect("there") == content);
        let gets = server.requests("/download/");
        assert_eq!(gets.len(), 2, "{gets:?}");
        assert!(gets[1].contains(expected), "{gets:?}");
    }
}

/// Plants the beginning of a blob, as a run that was killed leaves it.
fn plant(haulier: &Haulier, bytes: &[u8]) {
    std::fs::create_dir(haulier.home().join("there")).expect("made");
    let path = haulier.home().join(format!("there/.haulier-{ID}.blob"));
    let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    std::io::Write::write_all(&mut file.expect("made"), bytes).expect("written");
}

#[tokio::test]
async fn a_later_run_goes_on_and_one_that_was_left_damage_begins_anew() {
    let content = random_bytes(2 << 20);
    let blob = seal(KEY, &named("a.bin", &content));
    let half = blob.len() / 2;
    let mut damaged = blob[..half].to_vec();
    damaged[1000] ^= 1;
    let longer = [&blob[..], b"more"].concat();
    for (begun, requests) in [
        (blob[..half].to_vec(), vec![format!("bytes={}-", half - 1)]),
        (blob.clone(), vec![format!("bytes={}-", blob.len() - 1)]),
        (damaged, vec![format!("bytes={}-", half - 1), String::new()]),
        (longer, vec![format!("bytes={}-", blob.len() + 3), String::new()]),
    ] {
        let server = LegacyServer::start().with_ranges();
        server.put(ID, blob.clone(), "completed");
        let haulier = Haulier::new();
        plant(&haulier, &begun);
        let output = get(&haulier, &format!("{}/#{ID}/{KEY}", server.url()), &[]).await;
        assert!(output.status.success(), "{}", said(&output));
        assert!(std::fs::read(haulier.home().join("there/a.bin")).expect("there") == content);
        assert_eq!(names(&haulier.home().join("there")), ["a.bin"]);
        let ranges: Vec<String> = server
            .requests("/download/")
            .iter()
            .map(|line| line.rsplit(' ').next().expect("a word").to_owned())
            .collect();
        assert_eq!(ranges, requests);
    }
}

#[tokio::test]
async fn what_does_not_open_leaves_nothing() {
    let server = LegacyServer::start();
    let mut blob = seal(KEY, &named("a.txt", b"hello"));
    let other = "B".repeat(42) + "A";
    server.put(ID, blob.clone(), "completed");
    blob[20] ^= 1;
    server.put("b1b2c3d4e5f6", blob, "completed");
    server.put("c1b2c3d4e5f6", vec![1; 27], "completed");
    for (link, code) in
        [(format!("#{ID}/{other}"), 3), (format!("#b1b2c3d4e5f6/{KEY}"), 3), (format!("#c1b2c3d4e5f6/{KEY}"), 7)]
    {
        let haulier = Haulier::new();
        let output = get(&haulier, &format!("{}/{link}", server.url()), &[]).await;
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(names(&haulier.home().join("there")).is_empty());
        let output = haulier.run(["get", &format!("{}/{link}", server.url()), "-o", "-"]).await;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "no byte before the tag was right");
    }
}

#[tokio::test]
async fn states_and_texts_of_the_legacy_system_mean_what_they_mean_here() {
    let server = LegacyServer::start();
    for (id, status) in [
        ("a00000000001", "pending"),
        ("a00000000002", "deleted"),
        ("a00000000003", "exhausted"),
        ("a00000000004", "expired"),
    ] {
        server.put(id, seal(KEY, b"x"), status);
    }
    for (id, code) in [("a00000000000", 4), ("a00000000001", 5), ("a00000000002", 4), ("a00000000004", 4)] {
        let haulier = Haulier::new();
        let output = get(&haulier, &format!("{}/#{id}/{KEY}", server.url()), &[]).await;
        assert_eq!(output.status.code(), Some(code), "{id}: {}", said(&output));
    }
    // What an earlier run left of a transfer that is gone goes.
    server.put(ID, seal(KEY, b"x"), "deleted");
    let haulier = Haulier::new();
    plant(&haulier, b"begun");
    let output = get(&haulier, &format!("{}/#{ID}/{KEY}", server.url()), &[]).await;
    assert_eq!((output.status.code(), names(&haulier.home().join("there")).len()), (Some(4), 0));
    let haulier = Haulier::new();
    let output = get(&haulier, &format!("{}/#a00000000003/{KEY}", server.url()), &[]).await;
    assert!(!output.status.success() && said(&output).contains("spent"), "{}", said(&output));
}

#[tokio::test]
async fn a_senders_name_stays_inside_of_the_folder_and_replaces_nothing() {
    let server = LegacyServer::start();
    server.put(ID, seal(KEY, &named("../../evil.txt", b"hello")), "completed");
    let haulier = Haulier::new();
    let link = format!("{}/#{ID}/{KEY}", server.url());
    let output = get(&haulier, &link, &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    let there = haulier.home().join("there");
    assert_eq!(names(&there).len(), 1);
    assert!(!haulier.home().join("evil.txt").exists() && !names(&there)[0].starts_with('.'), "{:?}", names(&there));
    let output = get(&haulier, &link, &[]).await;
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    let output = get(&haulier, &link, &["--force"]).await;
    assert!(output.status.success(), "{}", said(&output));
    // A target that is taken is refused before anything travels.
    let before = server.requests("/download/").len();
    haulier.file("taken", b"mine");
    let output = haulier.run(["get", &link, "-o", "taken"]).await;
    assert_eq!((output.status.code(), server.requests("/download/").len()), (Some(8), before), "{}", said(&output));
}

#[tokio::test]
async fn a_stream_takes_the_content_alone() {
    let content = random_bytes(3 << 20);
    let server = LegacyServer::start();
    server.put(ID, seal(KEY, &named("a.bin", &content)), "completed");
    let haulier = Haulier::new();
    let output = haulier.run(["get", &format!("{}/#{ID}/{KEY}", server.url()), "-o", "-"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(to_hex(&Sha256::digest(&output.stdout)), to_hex(&Sha256::digest(&content)));
    assert!(!haulier.home().join(format!(".haulier-{ID}.blob")).exists());
}

#[tokio::test]
async fn what_a_gateway_finds_too_large_comes_from_the_object_store() {
    let content = random_bytes(6 << 20);
    let server = LegacyServer::start().with_ranges().with_store_above(5 << 20);
    server.put(ID, seal(KEY, &named("large.bin", &content)), "completed");
    server.put("aaaaaaaaaaaa", seal(KEY, &named("small.bin", b"small")), "completed");
    let haulier = Haulier::new();
    // It breaks on its way from the store, and the address that it came from is no good any more.
    server.cut_next_download(2 << 20);
    for id in [ID, "aaaaaaaaaaaa"] {
        let output = get(&haulier, &format!("{}/#{id}/{KEY}", server.url()), &[]).await;
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(std::fs::read(haulier.home().join("there/large.bin")).expect("there") == content);
    assert_eq!(server.requests("GET /api/presigned/download-url/").len(), 2, "and not for small ones");
    let fetched = server.requests("GET /the-store/");
    assert_eq!(fetched.len(), 3, "{fetched:?}");
    assert!(fetched[2].contains("/the-store/1/") && fetched[2].contains("bytes="), "it went on: {fetched:?}");
}
