//! A client that tries again as clients do, and looks at every reply on the way.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use reqwest::RequestBuilder;
use tokio::time::Instant;

use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server};

/// One request is tried for so long; the CLI is twice as patient.
const PATIENCE: Duration = Duration::from_secs(300);
/// Sooner than Retry-After asks for: the harder client is the better test.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Caller {
    http: Http,
    /// How often each status came.
    replies: Mutex<BTreeMap<u16, usize>>,
    /// Chunks that were acknowledged.
    pub(super) acknowledged: AtomicUsize,
    /// Answers that broke off in their body.
    broken: AtomicUsize,
    is_full_expected: bool,
}

impl Caller {
    /// Takes no other error than 503 with Retry-After.
    pub(super) fn new(server: &Server) -> Self {
        // A connection for each request: none was idle, so one that breaks was broken by the server.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self {
            http: Http::with_client(server, client),
            replies: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            is_full_expected: false,
        }
    }

    /// Takes 507 with Retry-After as well.
    pub(super) fn of_a_full_disk(server: &Server) -> Self {
        Self { is_full_expected: true, ..Self::new(server) }
    }

    /// One request, until it succeeds.
    pub(super) async fn insist(&self, request: impl Fn() -> RequestBuilder) -> Reply {
        let begun = Instant::now();
        loop {
            if let Some(reply) = self.ask(request()).await
                && reply.status.is_success()
            {
                return reply;
            }
            assert!(begun.elapsed() < PATIENCE, "no success within {PATIENCE:?}: {:?}", self.replies);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One request, once; nothing when its answer broke off. Only a download's answer may.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Option<Reply> {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        let is_read = request.method() == reqwest::Method::GET;
        let reply = match Reply::try_to(RequestBuilder::from_parts(client, request)).await {
            Ok(reply) => reply,
            Err(error) if is_read && (error.is_body() || error.is_decode()) => {
                self.broken.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Err(error) => panic!("a request without an answer: {error:?}"),
        };
        *self.replies.lock().expect("not poisoned").entry(reply.status.as_u16()).or_default() += 1;
        match reply.status.as_u16() {
            200 | 201 => {}
            503 => {
                assert_eq!(reply.header("retry-after"), "5", "{reply:?}");
                assert!(reply.json::<haulier_wire::Problem>().kind == ProblemType::StoreUnavailable, "{reply:?}");
            }
            507 if self.is_full_expected => assert_eq!(reply.header("retry-after"), "30", "{reply:?}"),
            _ => panic!("{reply:?}"),
        }
        Some(reply)
    }

    /// Creates, sends every chunk, `lanes` at once, and completes.
    pub(super) async fn upload(&self, sample: &Sample, lanes: usize) {
        self.insist(|| self.http.post("/api/transfers/create").json(&sample.create_request())).await;
        stream::iter(0..sample.layout.total_chunks())
            .for_each_concurrent(lanes, |index| async move {
                let body = bytes::Bytes::from(sample.chunk(index, 0));
                let path = sample.chunk_path(index);
                self.insist(|| self.http.put(&path).bearer_auth(OWNER_TOKEN).body(body.clone())).await;
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            })
            .await;
        let path = format!("/api/transfers/complete/{}", sample.id);
        self.insist(|| self.http.post(&path).bearer_auth(OWNER_TOKEN)).await;
    }

    /// Gets every chunk, `lanes` at once, and compares it with what was sent.
    pub(super) async fn download(&self, sample: &Sample, lanes: usize) {
        stream::iter(0..sample.layout.total_chunks())
            .for_each_concurrent(lanes, |index| async move {
                let path = format!("/api/transfers/download/{}/chunk/{index}", sample.id);
                let reply = self.insist(|| self.http.get(&path).bearer_auth(DOWNLOAD_TOKEN)).await;
                assert!(reply.body == sample.chunk(index, 0), "chunk {index} is not what was sent");
            })
            .await;
    }

    /// Deletes it, for whoever waits until its objects are gone.
    pub(super) async fn delete(&self, sample: &Sample) {
        let path = format!("/api/transfers/delete/{}", sample.id);
        self.insist(|| self.http.request(reqwest::Method::DELETE, &path).bearer_auth(OWNER_TOKEN)).await;
    }

    /// For the test's own eyes.
    pub(super) fn report(&self) {
        println!("replies: {:?}, broken off: {:?}", self.replies.lock().expect("not poisoned"), self.broken);
    }

    /// How often this status came.
    pub(super) fn count(&self, status: u16) -> usize {
        self.replies.lock().expect("not poisoned").get(&status).copied().unwrap_or_default()
    }
}
