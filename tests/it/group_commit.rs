//! Chunks share the syncs of the database: counted by a library that also makes them slow.
//!
//! The syncs are so slow that a busy machine changes little: what is counted is how many chunks wait for one.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use futures::stream::{self, StreamExt as _};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::harness::{Http, Postgres, Sample, Server, ServerOptions};

const IN_FLIGHT: usize = 64;
const CHUNKS: u32 = 1024;
/// The smallest that there are: what is not the database should cost little.
const CHUNK_BYTES: u64 = 1024;
/// Chunks for each sync of the database, at least.
const FEWEST: u64 = 16;
const ADDED_MICROSECONDS: u32 = 160_000;

/// The library and its tally, where any user can reach them: Postgres does not run as root.
struct SlowSync(TempDir);

impl SlowSync {
    fn compile() -> Self {
        let this = Self(TempDir::new().expect("a folder"));
        std::fs::set_permissions(this.0.path(), std::fs::Permissions::from_mode(0o711)).expect("opened");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/slow_sync.c");
        let mut command = Command::new("cc");
        command.args(["-O1", "-shared", "-fPIC", "-o"]).arg(this.library()).arg(source);
        assert!(command.status().expect("a C compiler, as for the build").success(), "cc has failed");
        std::fs::write(this.tally(), []).expect("written");
        std::fs::set_permissions(this.tally(), std::fs::Permissions::from_mode(0o666)).expect("opened");
        this
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("slow_sync.so")
    }

    fn tally(&self) -> PathBuf {
        self.0.path().join("tally")
    }

    /// For a process that has the database's files, known by `part` of their paths, and maybe others.
    fn settings(&self, part: &str) -> Vec<(&'static str, OsString)> {
        vec![
            ("SLOW_SYNC_MICROSECONDS", ADDED_MICROSECONDS.to_string().into()),
            ("SLOW_SYNC_PART", part.into()),
            ("SLOW_SYNC_COUNTED", part.into()),
            ("SLOW_SYNC_TALLY", self.tally().into()),
        ]
    }

    fn counted(&self) -> u64 {
        std::fs::metadata(self.tally()).expect("a tally").len()
    }
}

async fn assert_shared(server: &Server, slow: &SlowSync) {
    let (http, sample) = (Http::new(server), Sample::new(u64::from(CHUNKS) * CHUNK_BYTES, CHUNK_BYTES));
    sample.create_with(&http, &sample.seed_request()).await.ok();
    let before = slow.counted();
    stream::iter(0..CHUNKS)
        .for_each_concurrent(IN_FLIGHT, async |index| {
            sample.put(&http, index, 0).await.ok();
        })
        .await;
    let syncs = slow.counted() - before;
    assert!(syncs > 0, "the library is loaded");
    assert!(syncs * FEWEST <= u64::from(CHUNKS), "{syncs} syncs of the database for {CHUNKS} chunks");
}

#[tokio::test]
async fn sqlite_syncs_once_for_many_chunks() {
    let slow = SlowSync::compile();
    let mut options = ServerOptions::default().env("LD_PRELOAD", slow.library());
    let database = TempDir::new().expect("a folder");
    // Named, so that it is SQLite whatever the other tests run on.
    let url = format!("sqlite:{}", database.path().join("slow.sqlite").display());
    options = options.env("HAULIER_DATABASE_URL", url);
    for (name, value) in slow.settings(".sqlite") {
        options = options.env(name, value);
    }
    let server = Server::start_with(options);
    assert_shared(&server, &slow).await;
}

#[tokio::test]
async fn postgres_syncs_once_for_many_chunks() {
    let slow = SlowSync::compile();
    let mut env = slow.settings("/pg_wal/");
    env.push(("HAULIER_TEST_POSTGRES_PRELOAD", slow.library().into()));
    env.push(("HAULIER_TEST_POSTGRES_SYNCS", "1".into()));
    let start = move || {
        let postgres = Postgres::start_own_with(&env);
        let database = postgres.database();
        (postgres, database)
    };
    let (postgres, database) = spawn_blocking(start).await.expect("no panic");
    let server = Server::start_with(ServerOptions::default().env("HAULIER_DATABASE_URL", database.url()));
    assert_shared(&server, &slow).await;
    drop((server, database, postgres));
}
