//! What is left of transfers that have ended: nothing, once nobody reads them any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use haulier_wire::api::CreateRequest;
use haulier_wire::number::ByteLen;
use serde_json::Value;
use tempfile::TempDir;

use super::{CHUNK, Guest, limited, send};
use crate::harness::{Http, METRICS_TOKEN, Sample, Scrape, Server, ServerOptions, eventually};

fn gc(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier-server"));
    command.arg("gc").args(more).env_clear().env("HAULIER_DATA_DIR", data).env("HAULIER_SWEEP_GRACE", "0s");
    command.stdin(Stdio::null());
    command
}

async fn run_gc(data: &Path, more: &[&str]) -> Output {
    let mut command = gc(data, more);
    let output = tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("not cancelled");
    assert!(output.status.success(), "{output:?}");
    output
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Sweeps at its start, and never again by itself.
fn quiet(data: &Path) -> Server {
    let options = ServerOptions::on_sqlite().data_dir(data).env("HAULIER_SWEEP_INTERVAL", "1h");
    Server::start_with(options.env("HAULIER_SWEEP_GRACE", "0s").env("HAULIER_METRICS_TOKEN", METRICS_TOKEN))
}

async fn expiring(http: &Http) -> Sample {
    let sample = Sample::new(2 * CHUNK, CHUNK);
    send(http, &sample, &CreateRequest { expires_in_seconds: ByteLen::new(1), ..sample.create_request() }).await;
    sample
}

/// The folders of transfers that have anything.
fn folders(data: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(data.join("blobs/transfers")).expect("a folder");
    entries.map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn gc_says_what_it_would_remove_and_removes_that() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = quiet(&data);
    let http = Http::new(&server);
    let (live, exhausted) = (limited(&http, 2, 1).await, limited(&http, 2, 1).await);
    let (done, running) = (limited(&http, 2, 1).await, Guest::new(&http, &exhausted, 1));
    running.taken().await;
    running.reads_all().await;
    // A lease of its own ends with its answer.
    super::whole(&http, &done).await.ok();
    eventually("the one without a lease is swept", || !folders(&data).contains(done.id.as_str())).await;
    // From here on the server sweeps nothing any more: that was its only call.
    let expired = expiring(&http).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let listed = lines(&run_gc(&data, &["--dry-run", "--json"]).await);
    let bytes = 2 * (CHUNK + 28);
    assert_eq!(listed[0], serde_json::json!({"transfer_id": expired.id, "state": "expired", "bytes": bytes}));
    assert_eq!(listed[1], serde_json::json!({"transfers": 1, "bytes": bytes}));
    assert_eq!(listed.len(), 2, "whoever has a lease may read on: {listed:?}");
    assert!(folders(&data).contains(expired.id.as_str()), "a dry run removes nothing");
    let removed = lines(&run_gc(&data, &["--json"]).await);
    assert_eq!(removed[0]["removed"], serde_json::json!({"transfers": 1, "bytes": bytes}));
    let left: BTreeSet<String> = [&live, &exhausted].iter().map(|sample| sample.id.to_string()).collect();
    assert_eq!(folders(&data), left);
    running.chunk(0).await.ok();
    let text = String::from_utf8(run_gc(&data, &[]).await.stdout).expect("UTF-8");
    assert!(text.starts_with("removed 0 transfers with 0 bytes"), "{text}");
    let scrape = Scrape::of(&http).await;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let bytes = bytes as f64;
    assert_eq!(scrape.value("haulier_swept_bytes_total"), bytes, "of the one that the server swept");
}

#[tokio::test]
async fn an_exhausted_transfer_goes_once_its_leases_have_ended() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let options = ServerOptions::on_sqlite().data_dir(&data).env("HAULIER_SWEEP_INTERVAL", "1s");
    let options = options.env("HAULIER_SWEEP_GRACE", "0s").env("HAULIER_LEASE_UNUSED", "1s");
    let server = Server::start_with(options.env("HAULIER_LEASE_IDLE", "3s"));
    let http = Http::new(&server);
    let sample = limited(&http, 2, 1).await;
    let guest = Guest::new(&http, &sample, 1);
    guest.taken().await;
    guest.reads_all().await;
    guest.commit().await.ok();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    guest.chunk(0).await.ok();
    eventually("it is swept", || !folders(&data).contains(sample.id.as_str())).await;
    guest.chunk(0).await.is(haulier_wire::ProblemType::TransferExhausted);
    assert_eq!(super::counts(&http, &sample).await, (1, 0), "it can be asked about for good");
}
