//! A full disk: 507, nothing acknowledged is lost, and the upload goes on when there is space again.

use std::path::PathBuf;

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use crate::harness::{Http, Reply, Sample, Server, ServerOptions, SmallDisk};

const MIB: u64 = 1 << 20;

/// A server whose data folder is a tmpfs of 40 MiB.
struct Small {
    server: Server,
    disk: SmallDisk,
}

impl Small {
    fn start() -> Self {
        let disk = SmallDisk::new(40);
        let options = ServerOptions::on_sqlite().data_dir(&disk.path().join("data")).wrapper(disk.wrapper());
        let server = Server::start_with(options);
        let small = Self { server, disk };
        assert!(small.seen().join("data/haulier.sqlite").exists(), "the server works on the tmpfs");
        small
    }

    /// The disk from outside.
    fn seen(&self) -> PathBuf {
        self.disk.seen_by(self.server.pid())
    }

    fn fill(&self, left: u64) {
        self.disk.fill(self.server.pid(), left);
    }

    fn free(&self) {
        self.disk.free(self.server.pid());
    }
}

#[tokio::test]
async fn in_the_middle_of_a_chunk() {
    let small = Small::start();
    let http = Http::new(&small.server);
    let sample = Sample::new(3 * 8 * MIB, 8 * MIB);
    sample.create(&http).await.ok();
    sample.put(&http, 0, 0).await.ok();

    small.fill(3 * MIB);
    for _ in 0..3 {
        let reply = sample.put(&http, 1, 0).await;
        assert_eq!(reply.header("retry-after"), "30");
        reply.is(ProblemType::InsufficientStorage);
    }
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.stored_chunks, status.missing), (1, vec![[1, 2]]));
    let stored = std::fs::read(small.seen().join(format!("data/blobs/transfers/{}/chunks/0", sample.id)));
    assert_eq!(stored.expect("stored"), sample.chunk(0, 0));
    Reply::to(http.get("/readyz")).await.ok();

    small.free();
    for index in [1, 2] {
        assert_eq!(sample.put(&http, index, 0).await.ok().status, 201);
    }
    sample.complete(&http).await.ok();
    for index in 0..3 {
        assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
    }
}

#[tokio::test]
async fn to_the_last_byte() {
    let small = Small::start();
    let http = Http::new(&small.server);
    let done = Sample::new(100_000, 65536);
    done.send(&http).await;
    let open = Sample::new(100_000, 65536);
    open.create(&http).await.ok();

    small.fill(0);
    open.put(&http, 1, 0).await.is(ProblemType::InsufficientStorage);
    // The database may still find room in pages that it has: then a create is durable, otherwise it is refused.
    for _ in 0..20 {
        let created = Sample::new(1, 65536).create(&http).await;
        assert!(matches!(created.status.as_u16(), 201 | 507), "{created:?}");
    }
    // Reading needs no space.
    for index in 0..2 {
        assert_eq!(done.get(&http, index).await.ok().body, done.chunk(index, 0));
    }
    small.free();
    for index in 0..2 {
        assert_eq!(open.put(&http, index, 0).await.ok().status, 201);
    }
    open.complete(&http).await.ok();
    assert_eq!(open.get(&http, 1).await.ok().body, open.chunk(1, 0));
}
