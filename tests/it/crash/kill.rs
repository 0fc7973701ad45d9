//! kill -9 under load, again and again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haulier_wire::api::UploadStatus;
use tempfile::TempDir;

use crate::harness::{Http, OWNER_TOKEN, Reply, Sample, Server, ServerOptions, random_bytes};

/// Ten transfers, ten kills each: 100 kills, and there are always chunks that nobody has sent yet.
const TRANSFERS: usize = 10;
const KILLS_EACH: usize = 10;
const UPLOADERS: usize = 6;
/// Few enough that all missing ranges are listed in one status.
const CHUNKS: u64 = 1_900;

#[tokio::test]
async fn a_hundred_kills_lose_no_acknowledged_chunk() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    for _ in 0..TRANSFERS {
        let sample = Arc::new(Sample::new((CHUNKS - 1) * 65536 + 1, 65536));
        let acknowledged = Arc::new(Mutex::new(HashSet::new()));
        for round in 0..KILLS_EACH {
            let server = Server::start_with(ServerOptions::default().data_dir(&data));
            let http = Http::new(&server);
            match round {
                0 => drop(sample.create(&http).await.ok()),
                _ => check(&sample, &http, &server, &acknowledged).await,
            }
            upload_and_kill(server, &sample, &http, &acknowledged).await;
        }
        finish(&sample, &data, &acknowledged).await;
    }
}

async fn upload_and_kill(
    mut server: Server,
    sample: &Arc<Sample>,
    http: &Http,
    acknowledged: &Arc<Mutex<HashSet<u32>>>,
) {
    let count = |acknowledged: &Mutex<HashSet<u32>>| acknowledged.lock().expect("not poisoned").len();
    let before = count(acknowledged);
    let uploaders: Vec<_> = (0..UPLOADERS)
        .map(|_| tokio::spawn(upload_until_killed(Arc::clone(sample), http.clone(), Arc::clone(acknowledged))))
        .collect();
    // However slow the machine is: a kill without load would show nothing.
    while count(acknowledged) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(u64::from(random_bytes(1)[0]) / 2)).await;
    server.kill();
    for uploader in uploaders {
        uploader.await.expect("no assertion failed");
    }
}

/// Sends chunks that nobody has sent yet, noting each acknowledgement, until the server is gone.
async fn upload_until_killed(sample: Arc<Sample>, http: Http, acknowledged: Arc<Mutex<HashSet<u32>>>) {
    loop {
        let index = u32::from_be_bytes(random_bytes(4).try_into().expect("4 bytes")) % sample.layout.total_chunks();
        let request = http.put(&sample.chunk_path(index)).bearer_auth(OWNER_TOKEN).body(sample.chunk(index, 0));
        let Ok(reply) = Reply::try_to(request).await else { return };
        assert!(reply.status.is_success(), "the same bytes can always be sent again: {reply:?}");
        acknowledged.lock().expect("not poisoned").insert(index);
    }
}

/// Every acknowledged chunk is stored, with its bytes.
async fn check(sample: &Sample, http: &Http, server: &Server, acknowledged: &Mutex<HashSet<u32>>) {
    let status: UploadStatus = sample.status(http).await.ok().json();
    let acknowledged = acknowledged.lock().expect("not poisoned").clone();
    assert!(!status.more, "the ranges are all listed");
    let is_missing = |index: u32| status.missing.iter().any(|[first, last]| (*first..=*last).contains(&index));
    for index in &acknowledged {
        assert!(!is_missing(*index), "chunk {index} was acknowledged and is gone");
    }
    assert!(status.stored_chunks as usize >= acknowledged.len());
    // Spot checks each time, everything at the end.
    for index in acknowledged.iter().take(20) {
        let stored = std::fs::read(server.chunk_path(sample.id.as_str(), *index)).expect("the blob is there");
        assert_eq!(stored, sample.chunk(*index, 0), "chunk {index}");
    }
    let staging = server.data_dir().join("blobs/staging");
    assert_eq!(std::fs::read_dir(staging).expect("a folder").count(), 0, "staging is emptied at start");
}

/// Sends what is missing, completes, and compares every byte.
async fn finish(sample: &Sample, data: &std::path::Path, acknowledged: &Mutex<HashSet<u32>>) {
    let server = Server::start_with(ServerOptions::default().data_dir(data));
    let http = Http::new(&server);
    check(sample, &http, &server, acknowledged).await;
    loop {
        let status: UploadStatus = sample.status(&http).await.ok().json();
        if status.missing.is_empty() {
            break;
        }
        for [first, last] in status.missing {
            for index in first..=last {
                sample.put(&http, index, 0).await.ok();
            }
        }
    }
    sample.complete(&http).await.ok();
    for index in 0..sample.layout.total_chunks() {
        assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0), "chunk {index}");
    }
}
