//! Rebuild: without a database, every completed transfer comes back from the blob store alone.

use std::fs;
use std::path::{Path, PathBuf};

use haulier_wire::ProblemType;
use serde_json::Value;

use super::backend::{Backend, chunk, meta, on_every_backend};
use super::{lines, stdout};
use crate::harness::{
    DOWNLOAD_TOKEN, Haulier, Http, Reply, Sample, SentLine, ServerOptions, files_below, random_bytes, sha256_of,
    token_hash,
};
use crate::leases::{self, Guest};

on_every_backend!(
    every_completed_transfer_comes_back_with_its_bytes_and_counter,
    a_limited_transfer_comes_back_with_its_limit_and_counter,
    what_cannot_be_believed_is_reported_and_the_rest_comes_back,
    an_expired_transfer_keeps_its_id_and_loses_its_bytes,
);

/// Runs rebuild; its lines and its sum.
pub(super) async fn rebuild(backend: &Backend, status: i32) -> (Vec<Value>, Value) {
    let mut lines = lines(&backend.operate(&["rebuild", "--json"]).await, status);
    let sum = lines.pop().expect("a sum");
    (lines, sum)
}

/// The numbers of what came back, what was there, what cannot come back, and what is damaged.
fn counts(sum: &Value) -> [u64; 4] {
    ["restored", "known", "unfinished", "failed"].map(|member| sum[member].as_u64().expect("a number"))
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

async fn every_completed_transfer_comes_back_with_its_bytes_and_counter(backend: Backend) {
    let mut server = backend.serve();
    let http = Http::new(&server);
    let people = People::send(server.url()).await;
    people.count_and_edit().await;
    let seed = send_seed(&http).await;
    let [pending, deleted] = [(); 2].map(|()| Sample::new(70_000, 65_536));
    pending.create(&http).await.ok();
    pending.put(&http, 0, 0).await.ok();
    deleted.send(&http).await;
    deleted.delete(&http).await.ok();
    backend.is_gone_soon(deleted.id).await;

    let ids = people.sent.iter().map(|sent| sent.transfer_id.clone());
    let ids: Vec<String> = ids.chain([seed.id.to_string()]).collect();
    let show = async || lines(&backend.operate(&["transfer", "show", &ids[0], "--json"]).await, 0).remove(0);
    let (mut before, mut shown) = (infos(&http, &ids).await, show().await);
    assert_eq!((&before[0]["download_count"], &shown["download_count"]), (&2.into(), &2.into()));

    let blobs = backend.contents().await;
    backend.drop_database(&mut server);
    let (failed, sum) = rebuild(&backend, 0).await;
    assert!(failed.is_empty());
    assert_eq!(counts(&sum), [5, 0, 1, 0]);
    let (_, again) = rebuild(&backend, 0).await;
    assert_eq!((counts(&again), &again["read_bytes"]), ([0, 5, 1, 0], &0.into()));
    assert!(backend.contents().await == blobs, "nothing is changed, what cannot be restored neither");

    let server = backend.serve_again(server);
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
    // Who was in the middle of it begins anew, under the same id and link.
    pending.send(&http).await;
    assert_eq!(pending.get(&http, 0).await.ok().body, pending.chunk(0, 0));
}

/// The file of that name somewhere below.
fn find(root: &Path, name: &str) -> PathBuf {
    let found = files_below(root).into_iter().find(|path| path.is_file() && path.ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} below {}", root.display()))
}

/// What the limit has left is what it had left: spent places are written down, by lease and by a whole read alike.
async fn a_limited_transfer_comes_back_with_its_limit_and_counter(backend: Backend) {
    let mut server = backend.serve();
    let http = Http::new(&server);
    let sample = leases::limited(&http, 2, 9).await;
    sample.patch(&http, "{\"max_downloads\":4}").await.ok();
    let first = Guest::new(&http, &sample, 1);
    first.taken().await;
    first.reads_all().await;
    first.commit().await.ok();
    leases::whole(&http, &sample).await.ok();
    let second = Guest::new(&http, &sample, 2);
    second.taken().await;
    assert_eq!(leases::counts(&http, &sample).await, (2, 2));
    backend.read_with(&meta(sample.id), "\"download_count\":2").await;
    backend.drop_database(&mut server);
    let (_, sum) = rebuild(&backend, 0).await;
    assert_eq!(counts(&sum), [1, 0, 0, 0]);

    let server = backend.serve_again(server);
    let http = Http::new(&server);
    assert_eq!(leases::counts(&http, &sample).await, (2, 2), "who was in the middle of it takes a new place");
    for number in 3..5 {
        let guest = Guest::new(&http, &sample, number);
        guest.taken().await;
        guest.reads_all().await;
        guest.commit().await.ok();
    }
    leases::is_clear(Guest::new(&http, &sample, 5).take().await);
    sample.manifest(&http).await.is(ProblemType::TransferExhausted);
}

async fn what_cannot_be_believed_is_reported_and_the_rest_comes_back(backend: Backend) {
    let mut server = backend.serve();
    let http = Http::new(&server);
    let samples: Vec<Sample> = (0..10).map(|_| Sample::new(2 * 65_536, 65_536)).collect();
    for sample in &samples {
        sample.send(&http).await;
    }
    backend.drop_database(&mut server);
    let name = |number: usize| meta(samples[number].id);
    let chunk = |number: usize, index| chunk(samples[number].id, index);
    let mut sound = Vec::new();
    for number in 0..samples.len() {
        sound.push(backend.read_text(&name(number)).await);
    }
    backend.write(&name(0), &sound[0][..sound[0].len() - 1]).await;
    backend.write(&name(1), &sound[0]).await;
    let public = sound[2].replace(&format!("\"{}\"", token_hash(DOWNLOAD_TOKEN).as_str()), "null");
    backend.write(&name(2), public).await;
    backend.write(&name(3), sound[3].replace("{\"v\":1,", "{\"v\":3,")).await;
    let lost = backend.read(&chunk(4, 1)).await;
    backend.remove(&chunk(4, 1)).await;
    backend.write(&chunk(5, 0), "short").await;
    backend.write_gib(&name(7)).await;
    backend.write(&name(8), "<html>502 Bad Gateway</html>").await;
    backend.write(&name(9), "").await;
    let blobs: Vec<_> = backend.names().await;

    let (output, peak) = backend.operate_watched(&["rebuild", "--json"]).await;
    let mut failed = lines(&output, 1);
    let sum = failed.pop().expect("a sum");
    assert_eq!(counts(&sum), [1, 0, 0, 9]);
    assert!(peak < 256 << 20, "a long meta.json is not read: {peak} bytes");
    for (number, reason) in [
        (0, "meta.json: it is not what this program writes"),
        (1, "meta.json: it is of another transfer"),
        (2, "meta.json: it contradicts itself: "),
        (3, "meta.json: it was written by a newer version of this program"),
        (4, "1 of 2 chunks are missing or have a wrong length"),
        (5, "1 of 2 chunks are missing or have a wrong length"),
        (7, "meta.json: it is not what this program writes"),
        (8, "meta.json: it is not what this program writes"),
        (9, "meta.json: it is not what this program writes"),
    ] {
        let id = samples[number].id.to_string();
        let line = failed.iter().find(|line| line["transfer_id"] == id).expect("reported");
        assert!(line["reason"].as_str().expect("text").starts_with(reason), "{line}");
    }
    assert_eq!(backend.names().await, blobs);
    // Mended and run again, beside a server that serves already.
    let server = backend.serve_again(server);
    let http = Http::new(&server);
    assert_eq!(samples[6].get(&http, 1).await.ok().body, samples[6].chunk(1, 0));
    samples[4].get(&http, 0).await.is(ProblemType::TransferNotFound);
    backend.write(&chunk(4, 1), lost).await;
    let output = backend.operate(&["rebuild"]).await;
    assert_eq!(output.status.code(), Some(1), "the others are still not sound");
    let text = stdout(&output);
    assert!(text.contains("1 restored (0 of them expired), 1 known") && text.contains("8 not restored"), "{text}");
    assert_eq!(samples[4].get(&http, 1).await.ok().body, samples[4].chunk(1, 0), "without a restart");
}

async fn an_expired_transfer_keeps_its_id_and_loses_its_bytes(backend: Backend) {
    let mut server = backend.serve();
    let http = Http::new(&server);
    let sample = Sample::new(70_000, 65_536);
    sample.send(&http).await;
    sample.patch(&http, "{\"expires_in_seconds\":1}").await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    backend.drop_database(&mut server);
    drop(server);
    let (_, sum) = rebuild(&backend, 0).await;
    assert_eq!((&sum["restored"], &sum["expired"], &sum["read_bytes"]), (&1.into(), &1.into(), &0.into()));
    let output = backend.operate(&["doctor", "--verify", "--older-than=0s"]).await;
    assert!(output.status.success(), "what has ended is the sweep's: {output:?}");

    let server = backend.serve_with(ServerOptions::default().env("HAULIER_SWEEP_GRACE", "0s"));
    let http = Http::new(&server);
    sample.info(&http).await.is(ProblemType::TransferExpired);
    sample.create(&http).await.is(ProblemType::TransferExpired);
    backend.is_gone_soon(sample.id).await;
}
