//! Sweeps that are killed again and again leave nothing of what has ended, and take no byte of what lives.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use haulier_wire::ByteLen;
use haulier_wire::api::CreateRequest;
use serde_json::json;

use super::backend::{Backend, on_every_backend};
use crate::harness::{Http, Sample, random_bytes};
use crate::leases::{self, CHUNK, Guest};
use crate::legacy;

on_every_backend!(fifty_kills_leave_no_orphan_and_take_no_byte);

const KILLS: u32 = 50;

async fn payload(http: &Http, bytes: &[u8], max_downloads: u64) -> String {
    let body = json!({ "file_size_bytes": bytes.len(), "max_downloads": max_downloads });
    let id = legacy::create(http, &body).await;
    legacy::upload(http, &id, bytes.to_vec()).await.ok();
    legacy::complete(http, &id).await.ok();
    id
}

/// Some that were read as often as they may be, and some that expire within a second.
async fn ended(http: &Http) {
    for _ in 0..2 {
        let spent = leases::limited(http, 3, 1).await;
        leases::whole(http, &spent).await.ok();
        let short = Sample::new(2 * CHUNK, CHUNK);
        let request = CreateRequest { expires_in_seconds: ByteLen::new(1), ..short.create_request() };
        leases::send(http, &short, &request).await;
    }
    let id = payload(http, &random_bytes(70_000), 1).await;
    legacy::download(http, &id).await.ok();
}

fn sweep(backend: &Backend) -> Child {
    let mut command = backend.command(&["gc"]);
    command.env("HAULIER_SWEEP_GRACE", "0s").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
}

async fn swept(backend: &Backend) -> Duration {
    let (begun, mut child) = (Instant::now(), sweep(backend));
    let status = tokio::task::spawn_blocking(move || child.wait().expect("it ends")).await.expect("not cancelled");
    assert!(status.success(), "{status}");
    begun.elapsed()
}

async fn fifty_kills_leave_no_orphan_and_take_no_byte(backend: Backend) {
    // Keeps what has ended for an hour: all of it is left to whoever is killed.
    let server = backend.serve();
    let http = Http::new(&server);
    ended(&http).await;
    let whole = swept(&backend).await;
    let (mut samples, mut payloads, mut killed) = (Vec::new(), Vec::new(), 0);
    for round in 0..KILLS {
        if round % 10 == 0 {
            samples.push(leases::limited(&http, 3, 9).await);
            let bytes = random_bytes(70_000);
            payloads.push((payload(&http, &bytes, 9).await, bytes));
        }
        ended(&http).await;
        let mut child = sweep(&backend);
        tokio::time::sleep(whole * u32::from(random_bytes(1)[0]) / 255).await;
        killed += u32::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    assert!(killed > KILLS / 4, "{killed} of {KILLS} were killed at work");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // What the killed had claimed is free after a minute: `many::sweeps` waits for that.
    backend.execute("UPDATE transfers SET sweep_claimed_until = NULL").await;
    swept(&backend).await;

    let of_samples = samples.iter().map(|sample| sample.id.to_string());
    let lives: BTreeSet<_> = of_samples.chain(payloads.iter().map(|(id, _)| id.clone())).collect();
    assert_eq!(backend.ids().await, lives, "only those that live are left");
    let names: Vec<_> = backend.names().await.into_iter().filter(|name| name.starts_with("transfers/")).collect();
    assert_eq!(names.len(), samples.len() * 4 + payloads.len() * 2, "chunks, payloads, meta.json: {names:?}");
    for (number, sample) in samples.iter().enumerate() {
        let guest = Guest::new(&http, sample, number);
        guest.taken().await;
        guest.reads_all().await;
    }
    for (id, bytes) in &payloads {
        assert!(legacy::download(&http, id).await.ok().body == *bytes, "{id}");
    }
}
