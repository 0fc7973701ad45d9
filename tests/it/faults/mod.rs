//! Everything that a network and a backend can do to a server, by the real parts: Postgres, Garage and MinIO behind
//! networks that delay, trickle, break and go silent. Transfers complete, and nothing acknowledged is lost.
//!
//! Chance prints its seed; `HAULIER_TEST_SEED` repeats a run.

mod both;
mod caller;
mod database;
mod full;
mod store;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::{
    Action, Answer, Chance, Haulier, Http, Postgres, Proxy, Reply, Request, Sample, Server, ServerOptions,
    TestDatabase, Wire, random_bytes, sha256_of,
};
use crate::s3::Objects;
use caller::Caller;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const LATENCY: Duration = Duration::from_millis(500);
const BLACKOUT: Duration = Duration::from_secs(30);
/// Of a hundred.
const RESETS: u8 = 10;
const SLOW_DOWNS: u8 = 5;
/// Bytes at a time, and the pause after them: 160 KiB/s over one connection.
const TRICKLE: (usize, Duration) = (1600, Duration::from_millis(10));

/// `HAULIER_S3_BUFFER`: less than what is under way at once.
const BUDGET: u64 = 16 * MIB;
const MOST_RSS_BYTES: u64 = BUDGET + 150 * MIB;

/// A server whose ways to its database and to its store can be troubled.
struct Rig {
    server: Server,
    http: Http,
    objects: Objects,
    /// What happens to requests to the store.
    requests: Proxy,
    /// The network behind that.
    to_store: Wire,
    to_database: Wire,
    database: TestDatabase,
}

impl Rig {
    async fn start(objects: Objects, postgres: &'static Postgres) -> Self {
        Self::start_with(objects, postgres, ServerOptions::default()).await
    }

    async fn start_with(objects: Objects, postgres: &'static Postgres, options: ServerOptions) -> Self {
        // The CLI is built now if it must be: later that would keep the requests beside it waiting.
        let built = || drop(Haulier::new().command(["--version"]));
        tokio::task::spawn_blocking(built).await.expect("no panic");
        let database = tokio::task::spawn_blocking(|| postgres.database()).await.expect("no panic");
        let mut database_url = url::Url::parse(database.url()).expect("a URL");
        let (host, port) = (database_url.host_str().expect("a host"), database_url.port().unwrap_or(5432));
        let to_database = Wire::to(&format!("{host}:{port}")).await;
        database_url.set_host(Some("127.0.0.1")).expect("set");
        database_url.set_port(Some(to_database.address().port())).expect("set");
        let to_store = Wire::to(&objects.address()).await;
        let requests = Proxy::to(&to_store.address().to_string()).await;
        requests.record().drop_bodies();
        let options =
            options.env("HAULIER_DATABASE_URL", database_url.as_str()).env("HAULIER_S3_BUFFER", BUDGET.to_string());
        let by_relay = objects.url_by(requests.url().strip_prefix("http://").expect("plain HTTP"));
        let (server, http) = objects.serve_at(&by_relay, options).await;
        Self { server, http, objects, requests, to_store, to_database, database }
    }

    async fn on_garage() -> Self {
        Self::start(Objects::on_garage(), Postgres::shared()).await
    }

    fn heal(&self) {
        self.requests.on(|_| Action::Pass);
        self.to_store.heal();
        self.to_database.heal();
    }

    /// Requests to the store are reset and refused by chance.
    fn trouble_requests(&self, chance: Arc<Chance>) {
        self.requests.on(move |request| trouble(&chance, request));
    }

    async fn becomes_ready(&self, expected: bool) {
        let begun = Instant::now();
        loop {
            let reply = Reply::to(self.http.get("/readyz")).await;
            if reply.status.is_success() == expected {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(25), "not yet, ready = {expected}: {reply:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A network falls silent for half a minute; `is_forgotten`: what was under way never goes on.
    async fn blackout(&self, wire: &Wire, is_forgotten: bool) {
        let begun = Instant::now();
        wire.set(|faults| faults.is_silent = true);
        if is_forgotten {
            wire.forget();
        }
        self.becomes_ready(false).await;
        tokio::time::sleep(BLACKOUT.saturating_sub(begun.elapsed())).await;
        self.becomes_ready(false).await;
        self.heal();
        self.becomes_ready(true).await;
    }

    /// Everything at once while that happens, from the moment on when `chunks` more are stored.
    async fn bears_a_blackout(
        &self,
        (caller, earlier, sample): (&Caller, &Sample, &Sample),
        file_bytes: u64,
        chunks: usize,
        blackout: impl Future<Output = ()>,
    ) {
        let stored_before = caller.acknowledged.load(Ordering::Relaxed);
        let transfers = async {
            tokio::join!(
                caller.upload(sample, 40),
                caller.download(earlier, 12),
                self.send_and_get(file_bytes),
                self.send_and_get(file_bytes)
            )
        };
        let blackout = async {
            while caller.acknowledged.load(Ordering::Relaxed) < stored_before + chunks {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            blackout.await;
        };
        tokio::join!(transfers, blackout);
        caller.report();
        self.nothing_is_lost(sample).await;
        self.assert_small();
    }

    fn assert_small(&self) {
        let peak = self.server.peak_rss_bytes();
        println!("{} MiB at the peak", peak / MIB);
        assert!(peak <= MOST_RSS_BYTES, "{} MiB at the peak", peak / MIB);
    }

    /// Both stores again as they are: every chunk is in the store as it was sent, and the server gives it out.
    async fn nothing_is_lost(&self, sample: &Sample) {
        self.heal();
        for index in 0..sample.layout.total_chunks() {
            let name = format!("transfers/{}/chunks/{index}", sample.id);
            assert!(self.objects.bytes(&name).await == sample.chunk(index, 0), "chunk {index} is not what was sent");
        }
    }

    /// Transfers in both directions at once, by people's programs and by a client that looks at every reply.
    async fn carries(&self, file_bytes: u64, sample: &Sample, lanes: usize) {
        let caller = Caller::new(&self.server);
        let ((), ()) = tokio::join!(self.send_and_get(file_bytes), async {
            caller.upload(sample, lanes).await;
            caller.download(sample, lanes).await;
        });
        caller.report();
        self.nothing_is_lost(sample).await;
        self.assert_small();
    }

    /// `haulier send` and `haulier get`.
    async fn send_and_get(&self, file_bytes: u64) {
        let haulier = Haulier::new();
        let path = haulier.file("a.bin", &random_bytes(usize::try_from(file_bytes).expect("fits")));
        let sent = haulier.send(&path, self.server.url(), &["--chunk-size", "256KiB"]).await;
        let target = haulier.home().join("a.out");
        haulier.get(&sent.link, &target).await;
        assert_eq!(sha256_of(&target), sha256_of(&path));
    }
}

/// What chance does to a request to the store.
fn trouble(chance: &Chance, request: &Request) -> Action {
    let last = request.path.rsplit('/').next().unwrap_or_default();
    let draw = chance.draw(&format!("{} {last}", request.method));
    if draw.percent < SLOW_DOWNS {
        let text = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>";
        let answer = Answer::new(503, "application/xml", text);
        return if draw.more.is_multiple_of(2) { Action::Answer(answer) } else { Action::Refuse(answer) };
    }
    if draw.percent >= SLOW_DOWNS + RESETS {
        return Action::Pass;
    }
    match (draw.more % 3, request.body_bytes()) {
        (0, bytes @ 1..) => Action::CutRequestAfter(draw.more % bytes),
        // Most answers to PUT have no body: the head alone is the answer.
        (1, 0) => Action::CutAnswerAfter(draw.more % (64 * KIB)),
        (2, 0) => Action::CutAnswerAfter(draw.more % 300),
        _ => Action::LoseAnswer,
    }
}
