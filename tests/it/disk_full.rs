//! A full disk: 507, nothing acknowledged is lost, and the upload goes on when there is space again.

use std::path::PathBuf;

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;
use tempfile::TempDir;

use crate::harness::{Http, Reply, Sample, Server, ServerOptions};

const MIB: u64 = 1 << 20;

/// A server whose data folder is a tmpfs of 40 MiB in a mount namespace of its own.
struct Small {
    server: Server,
    /// The tmpfs, seen from outside.
    disk: PathBuf,
    _folder: TempDir,
}

impl Small {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let script = r#"mount -t tmpfs -o size=40m tmpfs "$0" && exec "$@""#;
        let mount = folder.path().to_owned();
        let options = ServerOptions::on_sqlite().data_dir(&mount.join("data")).wrapper([
            "unshare".into(),
            "--user".into(),
            "--map-root-user".into(),
            "--mount".into(),
            "sh".into(),
            "-c".into(),
            script.into(),
            mount.clone().into_os_string(),
        ]);
        let server = Server::start_with(options);
        let disk =
            PathBuf::from(format!("/proc/{}/root", server.pid())).join(mount.strip_prefix("/").expect("absolute"));
        assert!(disk.join("data/haulier.sqlite").exists(), "the server works on the tmpfs");
        Self { server, disk, _folder: folder }
    }

    /// Fills the disk but for `left` bytes.
    fn fill(&self, left: u64) {
        let mut filler = vec![0; usize::try_from(64 * MIB).expect("fits")];
        let path = self.disk.join("filler");
        // As much as fits, then cut back.
        let written = write_as_much_as_fits(&path, &mut filler);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(written.saturating_sub(left)))
            .expect("cut");
    }

    fn free(&self) {
        std::fs::remove_file(self.disk.join("filler")).expect("removed");
    }
}

fn write_as_much_as_fits(path: &std::path::Path, bytes: &mut [u8]) -> u64 {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).expect("created");
    let mut written = 0;
    for piece in bytes.chunks(4096) {
        match file.write(piece) {
            Ok(len) => written += len as u64,
            Err(_) => break,
        }
    }
    written
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
    let stored = std::fs::read(small.disk.join(format!("data/blobs/transfers/{}/chunks/0", sample.id)));
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
