//! A backend whose disk is full: 507 while it says so, 503 while it is down for it; the upload goes on when there is room.

use std::time::Duration;

use futures::future::join_all;
use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;
use tokio::task::spawn_blocking;

use super::caller::Caller;
use super::{KIB, MIB};
use crate::harness::{
    Disk, Haulier, Http, OWNER_TOKEN, ObjectStore, Postgres, Reply, Sample, Server, ServerOptions, SmallDisk,
    random_bytes, sha256_of,
};
use crate::s3::Objects;

const STORE_MIB: u32 = 64;
const DATABASE_MIB: u32 = 96;

#[tokio::test(flavor = "multi_thread")]
async fn the_store() {
    let disk = SmallDisk::new(STORE_MIB);
    let on_disk = || Disk { folder: Some(disk.path().join("objects")), wrapper: disk.wrapper() };
    let stores: &'static [ObjectStore] = ObjectStore::all_on(on_disk).leak();
    join_all(stores.iter().map(|store| a_store(store, &disk))).await;
}

async fn a_store(store: &'static ObjectStore, disk: &SmallDisk) {
    let objects = Objects::new(store);
    let (server, http) = objects.serve_at(&objects.url, ServerOptions::default()).await;
    let sample = Sample::new(12 * MIB, MIB);
    sample.create(&http).await.ok();
    for index in 0..3 {
        sample.put(&http, index, 0).await.ok();
    }
    disk.fill(store.pid(), 0);
    for index in [3, 4, 5] {
        let reply = sample.put(&http, index, 0).await;
        assert_eq!(reply.header("retry-after"), "30", "{}: {reply:?}", store.name);
        reply.is(ProblemType::InsufficientStorage);
    }
    // Reads go on, and nobody sends readers elsewhere.
    Reply::to(http.get("/readyz")).await.ok();
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.stored_chunks, status.missing), (3, vec![[3, 11]]), "{}", store.name);

    // The CLI begins on the full disk, and goes on by itself.
    let haulier = Haulier::new();
    let path = haulier.file("a.bin", &random_bytes(5 << 20));
    let making_room = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        disk.free(store.pid());
    };
    let (sent, ()) = tokio::join!(haulier.send(&path, server.url(), &[]), making_room);
    let target = haulier.home().join("a.out");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));

    for index in 3..12 {
        assert_eq!(sample.put(&http, index, 0).await.ok().status, 201, "{}", store.name);
    }
    sample.complete(&http).await.ok();
    for index in 0..12 {
        let name = format!("transfers/{}/chunks/{index}", sample.id);
        assert!(objects.bytes(&name).await == sample.chunk(index, 0), "{}: chunk {index}", store.name);
        assert!(sample.get(&http, index).await.ok().body == sample.chunk(index, 0), "{}: chunk {index}", store.name);
    }
}

/// Postgres refuses rows on a full disk, and crashes when there is no room for its log; it comes back by itself or is
/// started again.
#[tokio::test(flavor = "multi_thread")]
async fn the_database() {
    let disk = SmallDisk::new(DATABASE_MIB);
    let postgres = Postgres::start_on(disk.path(), &disk.wrapper_as_nobody());
    let database = postgres.database();
    let server = Server::start_with(ServerOptions::default().env("HAULIER_DATABASE_URL", database.url()));
    let http = Http::new(&server);
    let caller = Caller::of_a_full_disk(&server);
    let earlier = Sample::new(4 * MIB, 64 * KIB);
    caller.upload(&earlier, 4).await;
    let sample = Sample::new(32 * MIB, 64 * KIB);
    sample.create(&http).await.ok();

    disk.fill(postgres.pid(), 0);
    // Rows still fit into pages that are there, then no more.
    let mut acknowledged = Vec::new();
    let put = |index| http.put(&sample.chunk_path(index)).bearer_auth(OWNER_TOKEN).body(sample.chunk(index, 0));
    for index in 0..sample.layout.total_chunks() {
        let reply = caller.ask(put(index)).await.expect("an answer");
        match reply.status.is_success() {
            true => acknowledged.push(index),
            false => break,
        }
    }
    assert!(caller.count(507) + caller.count(503) > 0, "the disk never got full");
    // No room for the log: a crash, in the middle of everything.
    let switched = database.attempt("SELECT pg_switch_wal(); CREATE TABLE more AS SELECT 1; CHECKPOINT");
    println!("{} chunks on the full disk, then {switched:?}", acknowledged.len());
    assert!(switched.is_err(), "the database has room for its log");
    join_all((200..204).map(|index| caller.ask(put(index)))).await;
    caller.report();

    disk.free(postgres.pid());
    let postgres = spawn_blocking(move || {
        postgres.start();
        postgres
    });
    let _postgres = postgres.await.expect("no panic");
    let path = format!("/api/transfers/upload/{}", sample.id);
    let status: UploadStatus = caller.insist(|| http.get(&path).bearer_auth(OWNER_TOKEN)).await.json();
    for index in acknowledged {
        assert!(!status.missing.iter().any(|[first, last]| (*first..=*last).contains(&index)), "chunk {index} is lost");
    }
    caller.upload(&sample, 8).await;
    caller.download(&sample, 8).await;
    caller.download(&earlier, 8).await;
    for index in 0..sample.layout.total_chunks() {
        let stored = std::fs::read(server.chunk_path(&sample.id.to_string(), index)).expect("a file");
        assert!(stored == sample.chunk(index, 0), "chunk {index}");
    }
}
