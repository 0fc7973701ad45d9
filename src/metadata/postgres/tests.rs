//! Postgres keeps the contract, also beside other servers, through restarts and broken connections.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::future::{join, join_all};
use haulier_wire::{ByteLen, ChunkLayout};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::super::{Shape, Step, contract};
use super::*;
use crate::entropy::SystemEntropy;
use cluster::{Postgres, TestDatabase};

mod lost_answer;

#[expect(dead_code, reason = "tests/it needs more of it")]
#[path = "../../../tests/it/harness/postgres.rs"]
mod cluster;

/// Ends every connection but its own, in the middle of whatever it does.
const BREAK_CONNECTIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn open(database: &TestDatabase) -> PostgresStore {
    PostgresStore::open(database.url(), 4, Arc::new(SystemEntropy)).await.expect("opens")
}

fn id(number: u8) -> TransferId {
    TransferId::from_random_bytes([number; 16])
}

/// A transfer of `chunks` chunks that takes them for a thousand seconds.
fn transfer_of(number: u8, chunks: u32) -> NewTransfer {
    let mut new = contract::new_transfer(number);
    let file_size = ByteLen::new(u64::from(chunks) * 65536).expect("in range");
    new.transfer.shape = Shape::Chunks(ChunkLayout::new(file_size, 65536).expect("a layout"));
    new.transfer.upload_expires_at = later(1_000_000);
    new
}

fn later(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("in range")
}

fn step(number: u8, index: u32, digest: u8, step: Step) -> ChunkRecord {
    ChunkRecord {
        transfer_id: id(number),
        index: ChunkIndex::new(index).expect("in range"),
        blake3: [digest; 32],
        sha256: None,
        len: 100,
        step,
        now: later(1),
        upload_expires_at: later(1_000_000),
    }
}

async fn stored_chunks(store: &PostgresStore, number: u8) -> (u32, u64) {
    let row = store.transfer(id(number)).await.expect("read").expect("there");
    (row.stored_chunks, row.stored_bytes)
}

#[tokio::test]
async fn keeps_the_contract() {
    let databases = std::sync::Mutex::new(Vec::new());
    contract::run(|| {
        let database = Postgres::shared().database();
        let url = database.url().to_owned();
        databases.lock().expect("not poisoned").push(database);
        async move { PostgresStore::open(&url, 4, Arc::new(SystemEntropy)).await.expect("opens") }
    })
    .await;
}

#[tokio::test]
async fn ten_servers_that_start_at_once_on_an_empty_database_all_start() {
    let database = Postgres::shared().database();
    let stores = join_all((0..10).map(|_| open(&database))).await;
    for (number, store) in (1..).zip(&stores) {
        store.create(&contract::new_transfer(number)).await.expect("created");
    }
    assert!(stores[0].transfer(id(10)).await.expect("read").is_some());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let database = Postgres::shared().database();
    open(&database).await.close().await;
    database.run("INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '\\x00', 0)");
    let refused = PostgresStore::open(database.url(), 4, Arc::new(SystemEntropy)).await.expect_err("refused");
    let text = format!("{refused:#}");
    assert!(text.contains("newer version") && text.contains("9999"), "{text}");
}

#[tokio::test]
async fn an_error_of_connecting_holds_no_password() {
    for (url, expected) in [
        ("postgres://user:hunter%402@127.0.0.1:1/x%FF", "expected postgres://"),
        ("postgres://user:hunter%402@nowhere.invalid/x?sslmode=hunter", "expected postgres://"),
    ] {
        let error = PostgresStore::open(url, 4, Arc::new(SystemEntropy)).await.expect_err("refused");
        let text = format!("{error:#} {error:?}");
        assert!(text.contains(expected) && !text.contains("hunter"), "{text}");
    }
    // A database that refuses is not waited for.
    let mut url = url::Url::parse(Postgres::shared().database().url()).expect("a URL");
    url.set_password(Some("hunter%402")).expect("set");
    url.set_path("gone");
    let begun = Instant::now();
    let error = PostgresStore::open(url.as_str(), 4, Arc::new(SystemEntropy)).await.expect_err("refused");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let text = format!("{error:#} {error:?}");
    assert!(text.contains("gone") && !text.contains("hunter"), "{text}");
}

#[tokio::test]
async fn an_open_store_prints_no_password() {
    let database = Postgres::shared().database();
    let mut url = url::Url::parse(database.url()).expect("a URL");
    url.set_password(Some("hunter2")).expect("set");
    let store = PostgresStore::open(url.as_str(), 4, Arc::new(SystemEntropy)).await.expect("opens");
    store.probe().await.expect("reachable");
    assert!(!format!("{store:?}").contains("hunter"), "{store:?}");
}

/// The certificate is checked against `sslrootcert`, by the one TLS stack of the house.
#[tokio::test]
async fn speaks_tls_and_checks_who_answers() {
    let postgres = spawn_blocking(Postgres::start_own).await.expect("no panic");
    let database = postgres.database();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    // As the user that Postgres runs as, into its data folder, where it looks for them.
    for (name, text) in [("server.crt", &cert), ("server.key", &key)] {
        let lines = format!("SELECT unnest(string_to_array('{text}', chr(10)))");
        database.run(&format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {name}'"));
    }
    database.run("ALTER SYSTEM SET ssl = on");
    database.run("SELECT pg_reload_conf()");
    let folder = tempfile::TempDir::new().expect("a folder");
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &cert).expect("written");

    let url = |more: &str| format!("{}?sslmode=verify-full{more}", database.url());
    let trusted = url(&format!("&sslrootcert={}", root.display()));
    let store = PostgresStore::open(&trusted, 4, Arc::new(SystemEntropy)).await.expect("opens");
    let mut session = store.session().await.expect("connects");
    let query = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert!(query.fetch_one(&mut *session).await.unwrap_or(false), "this connection is encrypted");
    let error = PostgresStore::open(&url(""), 4, Arc::new(SystemEntropy)).await.expect_err("nobody vouches for it");
    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
}

#[tokio::test]
async fn a_commit_is_durable_whatever_the_database_defaults_to() {
    let database = Postgres::shared().database();
    database.run(
        "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
        EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());
        END $$",
    );
    let store = open(&database).await;
    let mut session = store.session().await.expect("connects");
    for (setting, expected) in [("synchronous_commit", "on"), ("transaction_isolation", "read committed")] {
        let query = sqlx::query_scalar("SELECT current_setting($1)").bind(setting);
        let value: String = query.fetch_one(&mut *session).await.expect("answers");
        assert_eq!(value, expected, "{setting}");
    }
}

#[tokio::test]
async fn two_servers_that_race_for_an_index_get_one_winner() {
    const CHUNKS: u32 = 200;
    let database = Postgres::shared().database();
    let (a, b) = (open(&database).await, open(&database).await);
    a.create(&transfer_of(1, CHUNKS)).await.expect("created");
    let mut wins = 0;
    for index in 0..CHUNKS {
        let (record_a, record_b) = ([step(1, index, 1, Step::Reserve)], [step(1, index, 2, Step::Reserve)]);
        let (recording_a, recording_b) = (a.record(&record_a), b.record(&record_b));
        // By turns, so that both win some on a machine that does one after the other.
        let (of_a, of_b) = if index % 2 == 0 {
            join(recording_a, recording_b).await
        } else {
            let (of_b, of_a) = join(recording_b, recording_a).await;
            (of_a, of_b)
        };
        match (&of_a.expect("recorded")[..], &of_b.expect("recorded")[..]) {
            ([Recorded::New], [Recorded::Conflict]) => wins += 1,
            ([Recorded::Conflict], [Recorded::New]) => {}
            other => panic!("{index}: {other:?}"),
        }
    }
    assert!((1..CHUNKS).contains(&wins), "both win some: {wins}");
}

#[tokio::test]
async fn two_servers_that_store_the_same_bytes_count_them_once() {
    const CHUNKS: u32 = 200;
    let database = Postgres::shared().database();
    let (a, b) = (open(&database).await, open(&database).await);
    a.create(&transfer_of(1, CHUNKS)).await.expect("created");
    for index in 0..CHUNKS {
        for (kind, second) in [(Step::Reserve, Recorded::Same), (Step::Store, Recorded::Stored)] {
            let records = [step(1, index, 1, kind)];
            let (of_a, of_b) = join(a.record(&records), b.record(&records)).await;
            let mut results = [of_a.expect("recorded")[0], of_b.expect("recorded")[0]];
            results.sort_by_key(|result| *result != Recorded::New);
            assert_eq!(results, [Recorded::New, second], "{index}");
        }
    }
    assert_eq!(stored_chunks(&b, 1).await, (CHUNKS, u64::from(CHUNKS) * 100));
}

/// Batches that name the same transfers and chunks in opposite orders.
#[tokio::test]
async fn batches_of_many_servers_never_wait_in_a_circle() {
    const CHUNKS: u32 = 32;
    const TRANSFERS: u8 = 8;
    let database = Postgres::shared().database();
    let stores = join_all((0..3).map(|_| open(&database))).await;
    for number in 0..TRANSFERS {
        stores[0].create(&transfer_of(number, CHUNKS)).await.expect("created");
    }
    for round in 0..CHUNKS / 4 {
        let keys: Vec<(u8, u32)> =
            (0..TRANSFERS).flat_map(|number| (round * 4..round * 4 + 4).map(move |index| (number, index))).collect();
        for kind in [Step::Reserve, Step::Store] {
            let mut forward: Vec<_> = keys.iter().map(|(number, index)| step(*number, *index, 1, kind)).collect();
            let batch_a = forward.clone();
            forward.reverse();
            let batch_b = forward.clone();
            forward.rotate_left(13);
            let batches = [batch_a, batch_b, forward];
            let results = join_all(stores.iter().zip(&batches).map(|(store, batch)| store.record(batch))).await;
            let new: usize = results
                .iter()
                .map(|results| results.as_ref().expect("recorded").iter().filter(|one| **one == Recorded::New).count())
                .sum();
            assert_eq!(new, keys.len(), "each step is taken once");
        }
    }
    for number in 0..TRANSFERS {
        assert_eq!(stored_chunks(&stores[0], number).await, (CHUNKS, u64::from(CHUNKS) * 100));
    }
    // What connections have counted is known once they have ended. A deadlock would have been tried again unnoticed.
    join_all(stores.iter().map(|store| store.close())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let store = open(&database).await;
    let mut session = store.session().await.expect("connects");
    let deadlocks: i64 =
        sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            .fetch_one(&mut *session)
            .await
            .expect("answers");
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn deletion_and_arrival_exclude_each_other() {
    let database = Postgres::shared().database();
    let (a, b) = (open(&database).await, open(&database).await);
    for number in 0..50 {
        a.create(&transfer_of(number, 4)).await.expect("created");
        let records = [step(number, 0, 1, Step::Reserve)];
        let remove = async {
            assert!(b.delete(id(number), later(2)).await.expect("deleted"));
            b.swept(id(number)).await.expect("swept");
        };
        let (recorded, ()) = join(a.record(&records), remove).await;
        assert!(matches!(recorded.expect("recorded")[0], Recorded::New | Recorded::Closed));
    }
    let mut session = a.session().await.expect("connects");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM chunks").fetch_one(&mut *session).await.expect("answers");
    assert_eq!(left, 0, "no reservation outlives its transfer");
}

#[tokio::test]
async fn a_caller_that_goes_away_at_any_moment_leaves_the_store_usable() {
    let database = Postgres::shared().database();
    let store = open(&database).await;
    store.create(&transfer_of(1, 300)).await.expect("created");
    for index in 0..200 {
        let records = [step(1, index, 1, Step::Reserve), step(1, index, 1, Step::Store)];
        let longest = Duration::from_micros(u64::from(index) * 20);
        let _ = timeout(longest, store.record(&records)).await;
        let again = store.record(&records).await.expect("recorded");
        assert!(matches!(again[1], Recorded::New | Recorded::Stored), "{again:?}");
    }
    assert_eq!(stored_chunks(&store, 1).await.0, 200);
}

/// What was on its way when the connection broke may have happened or not; either way it happens once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing_and_count_nothing_twice() {
    const CHUNKS: u32 = 400;
    let database = Arc::new(Postgres::shared().database());
    let store = open(&database).await;
    store.create(&transfer_of(1, CHUNKS)).await.expect("created");
    let done = Arc::new(AtomicBool::new(false));
    let stop = StopOnDrop(Arc::clone(&done));
    let breaks = Arc::new(AtomicU32::new(0));
    let breaker = spawn_blocking({
        let (database, done, breaks) = (Arc::clone(&database), Arc::clone(&done), Arc::clone(&breaks));
        move || {
            while !done.load(Ordering::Relaxed) {
                database.run(BREAK_CONNECTIONS);
                breaks.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    for first in (0..CHUNKS).step_by(4) {
        // However slow the machine is at breaking.
        while breaks.load(Ordering::Relaxed) < first * 5 / CHUNKS {
            assert!(!breaker.is_finished(), "the breaker ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for kind in [Step::Reserve, Step::Store] {
            let records: Vec<_> = (first..first + 4).map(|index| step(1, index, 1, kind)).collect();
            let results = store.record(&records).await.expect("recorded");
            assert!(results.iter().all(|result| !matches!(result, Recorded::Conflict | Recorded::Closed)));
        }
    }
    drop(stop);
    breaker.await.expect("no panic");
    assert!(breaks.load(Ordering::Relaxed) > 3, "it was broken often");
    assert_eq!(stored_chunks(&store, 1).await, (CHUNKS, u64::from(CHUNKS) * 100));
}

/// A test that fails must not wait for its own breaker.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_database_is_a_delay_and_an_outage_is_an_error_that_passes() {
    let postgres = Arc::new(Postgres::start_own());
    let database = postgres.database();
    let store = Arc::new(open(&database).await);
    store.create(&transfer_of(1, 1000)).await.expect("created");
    let crashes = spawn_blocking({
        let postgres = Arc::clone(&postgres);
        move || {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(300));
                postgres.crash();
                std::thread::sleep(Duration::from_millis(300));
                postgres.start();
            }
        }
    });
    let mut stored = 0;
    while !crashes.is_finished() {
        for kind in [Step::Reserve, Step::Store] {
            store.record(&[step(1, stored, 1, kind)]).await.expect("after a while");
        }
        stored += 1;
    }
    crashes.await.expect("no panic");
    assert_eq!(stored_chunks(&store, 1).await, (stored, u64::from(stored) * 100), "what was answered is there, once");

    spawn_blocking({
        let postgres = Arc::clone(&postgres);
        move || postgres.crash()
    })
    .await
    .expect("no panic");
    let begun = Instant::now();
    assert!(matches!(store.probe().await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(3), "readiness answers soon");
    assert!(matches!(store.transfer(id(1)).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(20), "and so does everything else: {:?}", begun.elapsed());
    spawn_blocking({
        let postgres = Arc::clone(&postgres);
        move || postgres.start()
    })
    .await
    .expect("no panic");
    store.probe().await.expect("it is back");
    assert_eq!(stored_chunks(&store, 1).await.0, stored);
}
