//! Rebuild: without a database, every completed transfer comes back from the blob store alone.

use std::fs;
use std::path::{Path, PathBuf};

use haulier_wire::ProblemType;
use serde_json::Value;
use tempfile::TempDir;

use super::{lines, operate, start, stdout, transfer_folder};
use crate::harness::{
    DOWNLOAD_TOKEN, Haulier, Http, Reply, Sample, SentLine, Server, ServerOptions, eventually, files_below,
    random_bytes, sha256_of, token_hash,
};

fn drop_database(data: &Path) {
    let mut dropped = 0;
    for entry in fs::read_dir(data).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.file_name().to_string_lossy().starts_with("haulier.sqlite") {
            fs::remove_file(entry.path()).expect("removed");
            dropped += 1;
        }
    }
    assert!(dropped > 0, "there was one");
}

/// Runs rebuild; its lines and its sum.
async fn rebuild(data: &Path, status: i32) -> (Vec<Value>, Value) {
    let mut lines = lines(&operate(data, &["rebuild", "--json"]).await, status);
    let sum = lines.pop().expect("a sum");
    (lines, sum)
}

/// What people sent: several chunks, nothing at all, a folder, a passphrase.
struct People {
    haulier: Haulier,
    large: PathBuf,
    sent: Vec<SentLine>,
}

impl People {
    async fn send(url: &str) -> Self {
        let haulier = Haulier::new().env("HAULIER_PASSPHRASE", "said on the phone");
        let large = haulier.file("large.bin", &random_bytes(3_000_000));
        let empty = haulier.file("empty", b"");
        let trip = haulier.home().join("trip");
        fs::create_dir(&trip).expect("made");
        for name in ["a", "b"] {
            haulier.file(&format!("trip/{name}"), &random_bytes(70_000));
        }
        let sent = vec![
            haulier.send(&large, url, &[]).await,
            haulier.send(&empty, url, &[]).await,
            haulier.send(&trip, url, &[]).await,
            haulier.send(&large, url, &["--passphrase"]).await,
        ];
        Self { haulier, large, sent }
    }

    /// Two downloads, and a change of the end between them, which writes the counter down.
    async fn count_and_edit(&self) {
        self.haulier.get(&self.sent[0].link, &self.haulier.home().join("once")).await;
        let edited = self.haulier.run(["edit", &self.sent[0].transfer_id, "--expires", "1h"]).await;
        assert!(edited.status.success(), "{edited:?}");
        self.haulier.get(&self.sent[0].link, &self.haulier.home().join("twice")).await;
    }

    async fn get_all(&self) {
        let home = self.haulier.home();
        for (number, name) in [(0, "large-back"), (3, "secret-back")] {
            self.haulier.get(&self.sent[number].link, &home.join(name)).await;
            assert_eq!(sha256_of(&home.join(name)), sha256_of(&self.large));
        }
        self.haulier.get(&self.sent[1].link, &home.join("nothing")).await;
        assert_eq!(fs::read(home.join("nothing")).expect("there"), b"");
        let trip = self.haulier.get(&self.sent[2].link, &home.join("trip-back")).await.path;
        for name in ["a", "b"] {
            assert_eq!(sha256_of(&home.join("trip").join(name)), sha256_of(&find(&trip, name)));
        }
    }
}

/// A transfer of a client that knows nothing but chunks; it has no tokens.
async fn send_seed(http: &Http) -> Sample {
    let seed = Sample::new(5_000, 1_024);
    seed.create_with(http, &seed.seed_request()).await.ok();
    for index in 0..5 {
        Reply::to(http.put(&seed.chunk_path(index)).body(seed.chunk(index, 0))).await.ok();
    }
    Reply::to(http.post(&format!("/api/transfers/complete/{}", seed.id))).await.ok();
    seed
}

async fn infos(http: &Http, ids: &[String]) -> Vec<Value> {
    let mut infos = Vec::new();
    for id in ids {
        infos.push(Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await.ok().json());
    }
    infos
}

#[tokio::test]
async fn every_completed_transfer_comes_back_with_its_bytes_and_counter() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data);
    let http = Http::new(&server);
    let people = People::send(server.url()).await;
    people.count_and_edit().await;
    let seed = send_seed(&http).await;
    let [pending, deleted] = [(); 2].map(|()| Sample::new(70_000, 65_536));
    pending.create(&http).await.ok();
    pending.put(&http, 0, 0).await.ok();
    deleted.send(&http).await;
    deleted.delete(&http).await.ok();
    eventually("swept", || !transfer_folder(&data, deleted.id).exists()).await;

    let ids = people.sent.iter().map(|sent| sent.transfer_id.clone());
    let ids: Vec<String> = ids.chain([seed.id.to_string()]).collect();
    let show = async || lines(&operate(&data, &["transfer", "show", &ids[0], "--json"]).await, 0).remove(0);
    let (mut before, mut shown) = (infos(&http, &ids).await, show().await);
    assert_eq!((&before[0]["download_count"], &shown["download_count"]), (&2.into(), &2.into()));

    server.kill();
    drop_database(&data);
    let (failed, sum) = rebuild(&data, 0).await;
    assert!(failed.is_empty());
    let count = |sum: &Value| ["restored", "known", "unfinished", "failed"].map(|member| sum[member].as_u64());
    assert_eq!(count(&sum), [5, 0, 1, 0].map(Some));
    let (_, again) = rebuild(&data, 0).await;
    assert_eq!((count(&again), &again["read_bytes"]), ([0, 5, 1, 0].map(Some), &0.into()));

    let options = ServerOptions::default().data_dir(&data).env("HAULIER_LISTEN", server.address());
    let server = Server::start_with(options);
    let http = Http::new(&server);
    // As of the last change: meta.json is not written for each download.
    before[0]["download_count"] = 1.into();
    shown["download_count"] = 1.into();
    assert_eq!((infos(&http, &ids).await, show().await), (before, shown));
    people.get_all().await;
    for index in 0..5 {
        let path = format!("/api/transfers/download/{}/chunk/{index}", seed.id);
        assert_eq!(Reply::to(http.get(&path)).await.ok().body, seed.chunk(index, 0));
    }

    // The owner's token still deletes; what was not completed, and what was deleted, is unknown.
    let removed = people.haulier.run(["rm", &ids[0]]).await;
    assert!(removed.status.success(), "{removed:?}");
    Reply::to(http.get(&format!("/api/transfers/info/{}", ids[0]))).await.is(ProblemType::TransferDeleted);
    pending.put(&http, 1, 0).await.is(ProblemType::TransferNotFound);
    deleted.info(&http).await.is(ProblemType::TransferNotFound);
}

/// The file of that name somewhere below.
fn find(root: &Path, name: &str) -> PathBuf {
    let found = files_below(root).into_iter().find(|path| path.is_file() && path.ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} below {}", root.display()))
}

#[tokio::test]
async fn what_cannot_be_believed_is_reported_and_the_rest_comes_back() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data);
    let http = Http::new(&server);
    let samples: Vec<Sample> = (0..7).map(|_| Sample::new(2 * 65_536, 65_536)).collect();
    for sample in &samples {
        sample.send(&http).await;
    }
    server.kill();
    drop_database(&data);
    let path = |number: usize, name: &str| transfer_folder(&data, samples[number].id).join(name);
    let sound = fs::read_to_string(path(0, "meta.json")).expect("read");
    let text = |number: usize| fs::read_to_string(path(number, "meta.json")).expect("read");
    fs::write(path(0, "meta.json"), &sound[..sound.len() - 1]).expect("written");
    fs::write(path(1, "meta.json"), &sound).expect("written");
    let public = text(2).replace(&format!("\"{}\"", token_hash(DOWNLOAD_TOKEN).as_str()), "null");
    fs::write(path(2, "meta.json"), public).expect("written");
    fs::write(path(3, "meta.json"), text(3).replace("{\"v\":1,", "{\"v\":2,")).expect("written");
    let chunk = fs::read(path(4, "chunks/1")).expect("read");
    fs::remove_file(path(4, "chunks/1")).expect("removed");
    fs::write(path(5, "chunks/0"), "short").expect("written");

    let (failed, sum) = rebuild(&data, 1).await;
    assert_eq!((&sum["restored"], &sum["failed"]), (&1.into(), &6.into()));
    for (number, reason) in [
        (0, "meta.json: it is not what this program writes"),
        (1, "meta.json: it is of another transfer"),
        (2, "meta.json: it contradicts itself: "),
        (3, "meta.json: it was written by another version of this program"),
        (4, "1 of 2 chunks are missing or have a wrong length"),
        (5, "1 of 2 chunks are missing or have a wrong length"),
    ] {
        let id = samples[number].id.to_string();
        let line = failed.iter().find(|line| line["transfer_id"] == id).expect("reported");
        assert!(line["reason"].as_str().expect("text").starts_with(reason), "{line}");
    }
    // Mended and run again, beside a server that serves already.
    let server = start(&data);
    let http = Http::new(&server);
    assert_eq!(samples[6].get(&http, 1).await.ok().body, samples[6].chunk(1, 0));
    samples[4].get(&http, 0).await.is(ProblemType::TransferNotFound);
    fs::write(path(4, "chunks/1"), chunk).expect("put back");
    let output = operate(&data, &["rebuild"]).await;
    assert_eq!(output.status.code(), Some(1), "the others are still not sound");
    let text = stdout(&output);
    assert!(text.contains("1 restored (0 of them expired), 1 known") && text.contains("5 not restored"), "{text}");
    assert_eq!(samples[4].get(&http, 1).await.ok().body, samples[4].chunk(1, 0), "without a restart");
}

#[tokio::test]
async fn an_expired_transfer_keeps_its_id_and_loses_its_bytes() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start(&data);
    let http = Http::new(&server);
    let sample = Sample::new(70_000, 65_536);
    sample.send(&http).await;
    sample.patch(&http, "{\"expires_in_seconds\":1}").await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    server.kill();
    drop_database(&data);
    let (_, sum) = rebuild(&data, 0).await;
    assert_eq!((&sum["restored"], &sum["expired"], &sum["read_bytes"]), (&1.into(), &1.into(), &0.into()));
    let output = operate(&data, &["doctor", "--verify", "--older-than=0s"]).await;
    assert!(output.status.success(), "what has ended is the sweep's: {output:?}");

    let server = Server::start_with(ServerOptions::default().data_dir(&data).env("HAULIER_SWEEP_GRACE", "0s"));
    let http = Http::new(&server);
    sample.info(&http).await.is(ProblemType::TransferExpired);
    sample.create(&http).await.is(ProblemType::TransferExpired);
    eventually("swept", || !transfer_folder(&data, sample.id).exists()).await;
}
