//! The order of durability, as the kernel saw it: kill -9 alone proves nothing, the page cache survives it.

use futures::future::join_all;
use tempfile::TempDir;

use super::strace::{Call, parse};
use crate::harness::{Http, Sample, Server, ServerOptions};

const WRITES: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "pwrite64"];
const SYNCS: [&str; 2] = ["fsync", "fdatasync"];
const WAL: &str = "haulier.sqlite-wal>";
const RENAMES: [&str; 3] = ["rename", "renameat", "renameat2"];

/// Runs `work` on a server under strace and returns its system calls.
async fn traced<W: AsyncFnOnce(Http)>(work: W) -> Vec<Call> {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("strace.log");
    let trace = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg,pwrite64,mkdir,unlink";
    let options = ServerOptions::on_sqlite().wrapper([
        "strace".into(),
        "-f".into(),
        "-y".into(),
        // Digests can be found in what is written to the database.
        "-x".into(),
        "-s".into(),
        "4096".into(),
        "-e".into(),
        trace.into(),
        "-o".into(),
        log.clone().into_os_string(),
    ]);
    let mut server = Server::start_with(options);
    work(Http::new(&server)).await;
    // strace ends with the program that it runs, its log written to the end.
    server.signal("TERM");
    stop_traced(&mut server);
    parse(&std::fs::read_to_string(log).expect("strace wrote its log"))
}

/// strace holds fatal signals back while it traces, so the server itself is told to stop.
fn stop_traced(server: &mut Server) {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    for pid in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
        let _ = std::process::Command::new("kill").args(["-TERM", pid]).status();
    }
    server.wait(std::time::Duration::from_secs(30));
}

/// The first call that matches and begins after `after` ended.
fn next<'c>(calls: &'c [Call], after: &Call, names: &[&str], parts: &[&str]) -> Option<&'c Call> {
    calls.iter().find(|call| call.begun > after.ended && call.is(names, parts))
}

fn only<'c>(calls: &'c [Call], names: &[&str], parts: &[&str]) -> &'c Call {
    let found: Vec<&Call> = calls.iter().filter(|call| call.is(names, parts)).collect();
    assert_eq!(found.len(), 1, "{names:?} {parts:?}: {found:?}");
    found[0]
}

/// A digest as strace shows it within bytes.
fn shown(digest: &blake3::Hash) -> String {
    digest.as_bytes().iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// reserved and fdatasync(file) < rename < fsync(directory) < row written < database sync < response.
fn assert_durable_order(calls: &[Call], sample: &Sample, index: u32) {
    let id = &sample.id;
    let target = format!("transfers/{id}/chunks/{index}\"");
    let rename = only(calls, &RENAMES, &[&target]);
    let staged = rename.text.split('"').nth(1).expect("the old name");
    let synced = only(calls, &SYNCS, &[&format!("<{staged}>")]);
    assert!(synced.ended < rename.begun, "the file is synced before it gets its name");
    for piece in calls.iter().filter(|call| call.is(&WRITES, &[&format!("<{staged}>")])) {
        assert!(piece.ended < synced.begun, "no byte is written after the sync");
    }
    let digest = shown(&blake3::hash(&sample.chunk(index, 0)));
    let row = [WAL, &digest];
    let reserved = calls.iter().any(|call| call.ended < rename.begun && call.is(&WRITES, &row));
    assert!(reserved, "the index was reserved for these bytes before any blob had the name");
    let folder = format!("transfers/{id}/chunks>");
    let directory = next(calls, rename, &SYNCS, &[&folder]).expect("the directory is synced after the rename");
    let stored = next(calls, directory, &WRITES, &row).expect("then the row is written");
    let database = next(calls, stored, &SYNCS, &[WAL]).expect("and synced");
    let answered = answer(calls, index);
    assert!(database.ended < answered.begun, "the answer comes last");
}

fn answer(calls: &[Call], index: u32) -> &Call {
    only(calls, &WRITES, &["HTTP/1.1 201", &format!("\\\"chunk_index\\\":{index},")])
}

/// A reservation shares the sync of its chunk's row: alone, a chunk waits for the database once.
fn assert_one_database_sync(calls: &[Call], index: u32) {
    let received = calls.iter().find(|call| call.is(&WRITES, &["blobs/staging/"])).expect("the body is written");
    let answered = answer(calls, index);
    let is_between = |call: &&Call| call.begun > received.begun && call.ended < answered.begun;
    let syncs: Vec<&Call> = calls.iter().filter(is_between).filter(|call| call.is(&SYNCS, &[WAL])).collect();
    assert_eq!(syncs.len(), 1, "{syncs:?}");
}

#[tokio::test]
async fn every_acknowledged_chunk_is_durable_first() {
    let sample = Sample::new(24 * 65536, 65536);
    let id = sample.id.to_string();
    let calls = traced(async |http: Http| {
        sample.create(&http).await.ok();
        // One alone, then many that share commits.
        sample.put(&http, 0, 0).await.ok();
        for reply in join_all((1..24).map(|index| sample.put(&http, index, 0))).await {
            reply.ok();
        }
    })
    .await;
    for index in 0..24 {
        assert_durable_order(&calls, &sample, index);
    }
    assert_one_database_sync(&calls, 0);
    // The folders themselves: each made name is synced into its parent before the first acknowledgement.
    let first = answer(&calls, 0);
    for parent in [format!("transfers/{id}>"), "blobs/transfers>".to_owned()] {
        assert!(calls.iter().any(|call| call.ended < first.begun && call.is(&SYNCS, &[&parent])), "{parent}");
    }
}

#[tokio::test]
async fn create_complete_and_delete_are_durable_first() {
    let sample = Sample::new(5, 65536);
    let calls = traced(async |http: Http| {
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();
        sample.complete(&http).await.ok();
        sample.delete(&http).await.ok();
    })
    .await;
    let database_synced_between = |from: usize, to: &Call| {
        let synced = |call: &&Call| call.is(&SYNCS, &[WAL]);
        calls.iter().filter(synced).any(|call| call.begun > from && call.ended < to.begun)
    };
    let created = only(&calls, &WRITES, &["HTTP/1.1 201", "manifest_url"]);
    assert!(database_synced_between(0, created), "create");

    let meta = only(&calls, &RENAMES, &["meta.json\""]);
    let completed = only(&calls, &WRITES, &["HTTP/1.1 200", "transparency"]);
    assert!(meta.ended < completed.begun);
    assert!(database_synced_between(meta.ended, completed), "meta.json is written before the transfer is completed");

    let removed = calls.iter().find(|call| call.is(&["unlink"], &["meta.json"])).expect("delete removes meta.json");
    let deleted = only(&calls, &WRITES, &["HTTP/1.1 200", "\\\"deleted\\\""]);
    assert!(database_synced_between(removed.ended, deleted), "meta.json goes before the row says so");
}
