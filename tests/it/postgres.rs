//! The server over Postgres: a database that restarts is a delay, one that is away a 503, and nothing acknowledged is lost.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::harness::{
    Connection, Haulier, Http, Postgres, Proxy, Reply, Sample, Server, ServerOptions, TestDatabase, random_bytes,
    sha256_of,
};
use crate::legacy;

/// How long the database is gone in a restart, and how long it stays.
const GONE: Duration = Duration::from_millis(700);
const THERE: Duration = Duration::from_millis(700);

/// A server over a Postgres that the test can stop.
struct Stoppable {
    server: Server,
    _database: TestDatabase,
    postgres: Arc<Postgres>,
}

impl Stoppable {
    async fn start() -> Self {
        spawn_blocking(|| {
            let postgres = Arc::new(Postgres::start_own());
            let database = postgres.database();
            let server = Server::start_with(ServerOptions::default().env("HAULIER_DATABASE_URL", database.url()));
            Self { server, _database: database, postgres }
        })
        .await
        .expect("no panic")
    }

    async fn stop_postgres(&self) {
        let postgres = Arc::clone(&self.postgres);
        spawn_blocking(move || postgres.crash()).await.expect("no panic");
    }

    async fn start_postgres(&self) {
        let postgres = Arc::clone(&self.postgres);
        spawn_blocking(move || postgres.start()).await.expect("no panic");
    }

    /// Crashes and restarts the database a few times, beside whatever the test does meanwhile.
    fn crash_often(&self, times: u32) -> JoinHandle<()> {
        let postgres = Arc::clone(&self.postgres);
        spawn_blocking(move || {
            for _ in 0..times {
                std::thread::sleep(THERE);
                postgres.crash();
                std::thread::sleep(GONE);
                postgres.start();
            }
        })
    }
}

/// The older system's clients do not send again: what has travelled must not be lost to a database that is away longer than
/// a look at it waits.
#[tokio::test]
async fn a_payload_that_arrives_while_the_database_is_away_is_not_given_up() {
    let stoppable = Stoppable::start().await;
    let http = Http::new(&stoppable.server);
    let id = legacy::create(&http, &serde_json::json!({})).await;
    let mut connection = Connection::open(&stoppable.server).await;
    let head = format!("POST /api/transfers/upload/{id} HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n");
    connection.send(head).await;
    connection.send(vec![7; 30_000]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stoppable.stop_postgres().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    stoppable.start_postgres().await;
    connection.send(vec![7; 30_000]).await;
    let reply = connection.reply().await.expect("an answer");
    assert_eq!(reply.status, 200, "{reply:?}");
    legacy::complete(&http, &id).await.ok();
    assert_eq!(legacy::download(&http, &id).await.ok().body, vec![7; 60_000]);
}

#[tokio::test]
async fn an_upload_goes_on_while_the_database_crashes() {
    let stoppable = Stoppable::start().await;
    let proxy = Proxy::to(stoppable.server.address()).await;
    let haulier = Haulier::new();
    let path = haulier.file("a.bin", &random_bytes(64 << 20));
    // Slow enough for all crashes, then as fast as it goes.
    proxy.limit(4 << 20);
    let crashes = async {
        stoppable.crash_often(3).await.expect("no panic");
        proxy.limit(1 << 30);
        Instant::now()
    };
    let sending = async {
        let sent = haulier.send(&path, proxy.url(), &["--chunk-size", "64KiB"]).await;
        (sent, Instant::now())
    };
    let (crashed_until, (sent, sent_at)) = tokio::join!(crashes, sending);
    assert!(crashed_until < sent_at, "all crashes were in mid-upload");

    let target = haulier.home().join("a.out");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
}

#[tokio::test]
async fn what_was_acknowledged_between_crashes_is_there() {
    let stoppable = Stoppable::start().await;
    let http = Http::new(&stoppable.server);
    let sample = Sample::new(100_000 * 1024, 1024);
    let mut request = sample.seed_request();
    request.owner_token_hash = sample.create_request().owner_token_hash;
    sample.create_with(&http, &request).await.ok();
    let crashes = stoppable.crash_often(3);
    let (mut next, mut acknowledged) = (0, Vec::new());
    while !crashes.is_finished() {
        let batch = next..next + 16;
        let replies = stream::iter(batch.clone()).map(|index| sample.put(&http, index, 0)).buffered(16);
        for (index, reply) in batch.clone().zip(replies.collect::<Vec<Reply>>().await) {
            match reply.status.as_u16() {
                200 | 201 => acknowledged.push(index),
                503 => assert!(reply.headers.contains_key("retry-after"), "{reply:?}"),
                _ => panic!("{reply:?}"),
            }
        }
        next = batch.end;
    }
    crashes.await.expect("no panic");
    assert!(acknowledged.len() > 100, "{} chunks", acknowledged.len());
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert!(!status.more, "all gaps are listed");
    let missing: u32 = status.missing.iter().map(|[first, last]| last - first + 1).sum();
    assert_eq!(status.stored_chunks, sample.layout.total_chunks() - missing, "each is counted once");
    for index in acknowledged {
        assert!(!status.missing.iter().any(|[first, last]| (*first..=*last).contains(&index)), "chunk {index} is lost");
    }
}

#[tokio::test]
async fn without_its_database_a_server_answers_503_until_it_is_back() {
    let stoppable = Stoppable::start().await;
    let http = Http::new(&stoppable.server);
    let sample = Sample::new(4 * 65536, 65536);
    sample.create(&http).await.ok();
    sample.put(&http, 0, 0).await.ok();
    Reply::to(http.get("/readyz")).await.ok();

    stoppable.stop_postgres().await;
    let ready = Reply::to(http.get("/readyz")).await;
    assert_eq!(ready.header("retry-after"), "5");
    ready.is(ProblemType::StoreUnavailable);
    Reply::to(http.get("/healthz")).await.ok();
    let begun = Instant::now();
    let other = Sample::new(5, 65536);
    let (put, status, created) = tokio::join!(sample.put(&http, 1, 0), sample.status(&http), other.create(&http));
    for reply in [put, status, created] {
        assert_eq!(reply.header("retry-after"), "5");
        reply.is(ProblemType::StoreUnavailable);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "a client does not wait for ever: {:?}", begun.elapsed());

    stoppable.start_postgres().await;
    let begun = Instant::now();
    while Reply::to(http.get("/readyz")).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "readiness comes back");
    }
    for index in 1..4 {
        sample.put(&http, index, 0).await.ok();
    }
    sample.complete(&http).await.ok();
    assert_eq!(sample.get(&http, 1).await.ok().body, sample.chunk(1, 0));
}

#[tokio::test]
async fn a_killed_server_and_a_new_one_see_the_same_transfers() {
    let folder = TempDir::new().expect("a folder");
    let options = || ServerOptions::on_postgres().data_dir(&folder.path().join("data"));
    let sample = Sample::new(3 * 65536, 65536);
    let mut server = Server::start_with(options());
    let http = Http::new(&server);
    sample.create(&http).await.ok();
    sample.put(&http, 0, 0).await.ok();
    server.kill();
    assert!(!folder.path().join("data/haulier.sqlite").exists());
    let server = Server::start_with(options());
    let http = Http::new(&server);
    assert_eq!(sample.put(&http, 0, 0).await.status, 200);
    sample.put(&http, 0, 1).await.is(ProblemType::ChunkConflict);
    for index in 1..3 {
        sample.put(&http, index, 0).await.ok();
    }
    sample.complete(&http).await.ok();
}

#[test]
fn a_database_that_refuses_ends_the_start_without_a_word_of_the_password() {
    let database = Postgres::shared().database();
    let folder = TempDir::new().expect("a folder");
    let mut url = url::Url::parse(database.url()).expect("a URL");
    url.set_path("no_such_database");
    url.set_password(Some("hunter%402")).expect("set");
    let output = Command::new(env!("CARGO_BIN_EXE_haulier-server"))
        .env_clear()
        .env("HAULIER_LISTEN", "127.0.0.1:0")
        .env("HAULIER_DATA_DIR", folder.path())
        .env("HAULIER_DATABASE_URL", url.as_str())
        .env("HAULIER_LOG", "trace")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("HAULIER_DATABASE_URL") && stderr.contains("no_such_database"), "{stderr}");
    assert!(!stderr.contains("hunter"), "{stderr}");
}

#[test]
fn a_setting_that_loses_what_was_answered_is_named_at_start() {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let database = Postgres::shared().database();
    database.run(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    );
    let options = ServerOptions::default().env("HAULIER_DATABASE_URL", database.url()).log_to(&log);
    drop(Server::start_with(options));
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(text.contains("WARN") && text.contains("synchronous_commit"), "{text}");
}
