//! A server that lies to a sender, and a proxy that cannot be passed: no key seals twice, and nothing is claimed to have
//! arrived that did not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use haulier_wire::problem::{PROBLEM_JSON, Problem, ProblemType};
use serde_json::json;

use crate::harness::{Action, Answer, Haulier, Proxy, Request, Server, random_bytes, sha256_of};

const OTHER_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const MIB: u64 = 1 << 20;

/// One file to send, and the relay that it has to pass.
struct Sender {
    _server: Server,
    proxy: Proxy,
    haulier: Haulier,
}

struct Outcome {
    exit: Option<i32>,
    link: String,
    says: String,
}

impl Sender {
    async fn new() -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.address()).await;
        Self { _server: server, proxy, haulier: Haulier::new() }
    }

    /// Sends 5 chunks of 64 KiB, or what the flags make of them.
    async fn send(&self, size: usize, flags: &[&str]) -> Outcome {
        let path = self.haulier.file("a.bin", &random_bytes(size));
        let path = path.to_str().expect("UTF-8");
        let fixed = ["send", path, "--to", self.proxy.url()];
        let output = self.haulier.run(fixed.iter().chain(flags)).await;
        self.proxy.record().assert_sealed_once();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Outcome { exit: output.status.code(), link: text(&output.stdout), says: text(&output.stderr) }
    }

    async fn send_small(&self) -> Outcome {
        self.send(5 << 16, &["--chunk-size", "64KiB"]).await
    }

    /// Changes the first `times` answers to requests of this kind.
    fn lie(
        &self,
        times: u32,
        method: &'static str,
        part: &'static str,
        action: impl Fn(&Request) -> Action + Send + Sync + 'static,
    ) {
        let told = AtomicU32::new(0);
        self.proxy.on(move |request| {
            let is_meant = request.is(method, part) && told.fetch_add(1, Ordering::Relaxed) < times;
            if is_meant { action(request) } else { Action::Pass }
        });
    }

    /// Gets what was sent, past the relay's lies, and compares.
    async fn arrives(&self, outcome: &Outcome) {
        assert_eq!(outcome.exit, Some(0), "{}", outcome.says);
        self.proxy.on(|_| Action::Pass);
        let target = self.haulier.home().join("a.out");
        self.haulier.get(&outcome.link, &target).await;
        assert_eq!(sha256_of(&target), sha256_of(&self.haulier.home().join("a.bin")));
    }

    /// The ids of all create requests, in order.
    fn created(&self) -> Vec<String> {
        let id = |create: &serde_json::Value| create["transfer_id"].as_str().expect("an id").to_owned();
        self.proxy.record().creates().iter().map(id).collect()
    }

    /// Of which transfers any byte of a chunk left.
    fn uploaded(&self) -> BTreeSet<String> {
        let all = self.proxy.record().all();
        let puts = all.iter().filter(|exchange| exchange.request.method == "PUT" && !exchange.body.is_empty());
        puts.filter_map(|exchange| Some(exchange.chunk()?.0)).collect()
    }
}

fn problem(kind: ProblemType) -> Action {
    Action::Answer(Answer::new(kind.status(), PROBLEM_JSON, serde_json::to_vec(&Problem::new(kind)).expect("JSON")))
}

#[tokio::test]
async fn an_id_that_is_taken_means_a_new_id_and_a_new_key() {
    for kind in [ProblemType::TransferExists, ProblemType::TransferDeleted, ProblemType::TransferExpired] {
        let sender = Sender::new().await;
        sender.lie(1, "POST", "/create", move |_| problem(kind));
        let outcome = sender.send_small().await;
        sender.arrives(&outcome).await;
        let created = sender.created();
        assert_eq!(created.len(), 2, "{kind}");
        assert_ne!(created[0], created[1], "{kind}");
        assert_eq!(
            sender.uploaded(),
            BTreeSet::from([created[1].clone()]),
            "{kind}: only the second one's chunks left"
        );
        // What the key alone decides is another as well.
        let creates = sender.proxy.record().creates();
        for member in ["key_check", "sealed_metadata", "owner_token_hash", "download_token_hash"] {
            assert_ne!(creates[0][member], creates[1][member], "{kind}: {member}");
        }
        assert!(outcome.says.contains("has a transfer of the same id"), "{}", outcome.says);
    }
}

#[tokio::test]
async fn a_server_that_takes_no_id_is_given_up() {
    let sender = Sender::new().await;
    sender.lie(u32::MAX, "POST", "/create", |_| problem(ProblemType::TransferExists));
    let outcome = sender.send_small().await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(7), ""), "{}", outcome.says);
    assert!(outcome.says.contains("again and again"), "{}", outcome.says);
    let created = sender.created();
    assert_eq!(created.iter().collect::<BTreeSet<_>>().len(), created.len(), "each id once: {created:?}");
    assert!(created.len() <= 4 && sender.uploaded().is_empty(), "{created:?}");
}

#[tokio::test]
async fn answers_about_something_else_end_the_send() {
    type Lie = fn(&mut serde_json::Value);
    let cases: &[(&str, &str, &str, Lie, &str)] = &[
        ("create, another id", "POST", "/create", |a| a["transfer_id"] = OTHER_ID.into(), "about another transfer"),
        ("create, no id", "POST", "/create", |a| a["transfer_id"] = json!(null), "broke the protocol"),
        ("chunk, another id", "PUT", "/chunk/", |a| a["transfer_id"] = OTHER_ID.into(), "about another chunk"),
        ("chunk, another index", "PUT", "/chunk/3", |a| a["chunk_index"] = 2.into(), "about another chunk"),
        ("chunk, no digest", "PUT", "/chunk/", |a| a["blake3"] = json!(null), "broke the protocol"),
        (
            "complete, another id",
            "POST",
            "/complete/",
            |a| a["transfer_id"] = OTHER_ID.into(),
            "about another transfer",
        ),
    ];
    for (case, method, part, change, says) in cases {
        let (sender, change) = (Sender::new().await, *change);
        sender.lie(u32::MAX, method, part, move |_| Action::edit(change));
        let outcome = sender.send_small().await;
        assert_eq!((outcome.exit, outcome.link.as_str()), (Some(7), ""), "{case}: {}", outcome.says);
        assert!(outcome.says.contains(says), "{case}: {}", outcome.says);
    }
}

/// Runs a send that is cut off at chunk 2, so that the next one asks what is missing.
async fn interrupted() -> (Sender, Vec<u8>) {
    let sender = Sender::new().await;
    sender.lie(u32::MAX, "PUT", "/chunk/2", |_| problem(ProblemType::MissingToken));
    let outcome = sender.send(5 << 16, &["--chunk-size", "64KiB", "--parallel", "1"]).await;
    assert_eq!(outcome.exit, Some(1), "{}", outcome.says);
    let contents = std::fs::read(sender.haulier.home().join("a.bin")).expect("readable");
    (sender, contents)
}

#[tokio::test]
async fn absurd_ranges_of_missing_chunks_are_not_believed() {
    for (case, missing) in [
        ("overlapping", json!([[0, 3], [2, 4]])),
        ("out of order", json!([[3, 4], [0, 1]])),
        ("backwards", json!([[4, 2]])),
        ("out of range", json!([[2, 5]])),
        ("as far as it goes", json!([[0, 4_294_967_295_u32]])),
        ("the same again and again", json!(vec![[2, 2]; 1000])),
        ("too many", json!((0..2000).map(|n| [n, n]).collect::<Vec<_>>())),
        ("no numbers", json!([["a", "b"]])),
        ("too large for numbers", json!([[0, 4_294_967_296_u64]])),
    ] {
        let (sender, _) = interrupted().await;
        let before = sender.proxy.record().whole_puts().len();
        sender.lie(u32::MAX, "GET", "/upload/", move |_| {
            let missing = missing.clone();
            Action::edit(move |status| status["missing"] = missing)
        });
        let path = sender.haulier.home().join("a.bin");
        let arguments = ["send", path.to_str().expect("UTF-8"), "--to", sender.proxy.url(), "--chunk-size", "64KiB"];
        let output = sender.haulier.run(arguments).await;
        let says = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{case}: {says}");
        assert!(says.contains("broke the protocol"), "{case}: {says}");
        assert_eq!(sender.proxy.record().whole_puts().len(), before, "{case}: nothing more was sent");
    }
}

#[tokio::test]
async fn a_server_that_claims_chunks_which_were_never_sent_gets_a_new_transfer() {
    let (sender, contents) = interrupted().await;
    sender.lie(u32::MAX, "GET", "/upload/", |_| Action::edit(|status| status["missing"] = json!([])));
    let path = sender.haulier.home().join("a.bin");
    let arguments = ["send", path.to_str().expect("UTF-8"), "--to", sender.proxy.url(), "--chunk-size", "64KiB"];
    let output = sender.haulier.run(arguments).await;
    let link = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{output:?}");
    let created: BTreeSet<String> = sender.created().into_iter().collect();
    assert_eq!(created.len(), 2, "an old copy of a state must not seal");
    sender.proxy.on(|_| Action::Pass);
    let target = sender.haulier.home().join("a.out");
    sender.haulier.get(&link, &target).await;
    assert!(std::fs::read(&target).expect("there") == contents);
    sender.proxy.record().assert_sealed_once();
}

#[tokio::test]
async fn a_chunk_that_arrived_damaged_is_sent_again_and_not_for_ever() {
    let zeros = || Action::edit(|answer| answer["blake3"] = "0".repeat(64).into());
    let sender = Sender::new().await;
    sender.lie(1, "PUT", "/chunk/3", move |_| zeros());
    let outcome = sender.send_small().await;
    sender.arrives(&outcome).await;
    let puts = sender.proxy.record().whole_puts();
    assert_eq!(puts.values().copied().collect::<Vec<_>>(), [1, 1, 1, 2, 1], "{puts:?}");

    let sender = Sender::new().await;
    sender.lie(u32::MAX, "PUT", "/chunk/3", move |_| zeros());
    let outcome = sender.send_small().await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(7), ""), "{}", outcome.says);
    assert!(outcome.says.contains("chunk 3 arrived damaged at the server, twice"), "{}", outcome.says);
    assert!(sender.proxy.record().whole_puts().values().all(|times| *times <= 2));
}

#[tokio::test]
async fn a_chunk_that_arrived_damaged_is_not_taken_for_stored_in_a_later_run() {
    let (sender, _) = interrupted().await;
    sender.lie(u32::MAX, "PUT", "/chunk/2", |_| Action::edit(|answer| answer["blake3"] = "0".repeat(64).into()));
    let path = sender.haulier.home().join("a.bin");
    let arguments = ["send", path.to_str().expect("UTF-8"), "--to", sender.proxy.url(), "--chunk-size", "64KiB"];
    let output = sender.haulier.run(arguments).await;
    let says = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{says}");
    assert!(says.contains("chunk 2 arrived damaged at the server, twice"), "{says}");
}

#[tokio::test]
async fn other_bytes_under_a_chunk_end_the_send() {
    let sender = Sender::new().await;
    sender.lie(u32::MAX, "PUT", "/chunk/3", |_| problem(ProblemType::ChunkConflict));
    let outcome = sender.send_small().await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(7), ""), "{}", outcome.says);
    assert!(outcome.says.contains("holds other bytes for chunk 3"), "{}", outcome.says);
    // The same command again begins anew, with another key.
    sender.proxy.on(|_| Action::Pass);
    let outcome = sender.send_small().await;
    sender.arrives(&outcome).await;
    assert_eq!(sender.created().iter().collect::<BTreeSet<_>>().len(), 2);
}

#[tokio::test]
async fn a_server_that_loses_chunks_gets_them_again_and_not_for_ever() {
    let lost = || {
        let mut missing = Problem::new(ProblemType::ChunksMissing);
        (missing.missing, missing.more) = (Some(vec![[1, 2]]), Some(false));
        Action::Answer(Answer::new(409, PROBLEM_JSON, serde_json::to_vec(&missing).expect("JSON")))
    };
    let with_status = |times: u32| {
        let told = Arc::new(AtomicU32::new(0));
        move |request: &Request| {
            let is_lie = told.load(Ordering::Relaxed) < times;
            if is_lie && request.is("POST", "/complete/") {
                told.fetch_add(1, Ordering::Relaxed);
                lost()
            } else if request.is("GET", "/upload/") {
                Action::edit(|status| status["missing"] = json!([[1, 2]]))
            } else {
                Action::Pass
            }
        }
    };
    let sender = Sender::new().await;
    sender.proxy.on(with_status(1));
    let outcome = sender.send_small().await;
    sender.arrives(&outcome).await;
    let puts = sender.proxy.record().whole_puts();
    assert_eq!(puts.values().copied().collect::<Vec<_>>(), [1, 2, 2, 1, 1], "only what was lost: {puts:?}");

    let sender = Sender::new().await;
    sender.proxy.on(with_status(u32::MAX));
    let outcome = sender.send_small().await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(7), ""), "{}", outcome.says);
    assert!(outcome.says.contains("lost chunks that it had acknowledged"), "{}", outcome.says);
    assert!(sender.proxy.record().whole_puts().values().all(|times| *times <= 5));
}

#[tokio::test]
async fn a_proxy_that_caps_bodies_gets_smaller_chunks_under_a_new_key() {
    let too_large =
        || Action::Answer(Answer::new(413, "text/html", "<html><h1>413 Request Entity Too Large</h1></html>"));
    let sender = Sender::new().await;
    sender.proxy.on(move |request| if request.body_bytes() > MIB { too_large() } else { Action::Pass });
    let outcome = sender.send(6 << 20, &["--chunk-size", "2MiB"]).await;
    sender.arrives(&outcome).await;
    assert!(outcome.says.contains("chunks of 960"), "it says so: {}", outcome.says);
    let creates = sender.proxy.record().creates();
    let sizes: Vec<_> = creates.iter().map(|create| create["chunk_size"].as_u64().expect("a size")).collect();
    assert_eq!(sizes, [2 << 20, 960 << 10]);
    assert_ne!(creates[0]["transfer_id"], creates[1]["transfer_id"]);
    assert_ne!(creates[0]["key_check"], creates[1]["key_check"]);

    // No chunk is small enough.
    let sender = Sender::new().await;
    sender.proxy.on(move |request| if request.body_bytes() > MIB / 2 { too_large() } else { Action::Pass });
    let outcome = sender.send(2 << 20, &[]).await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(6), ""), "{}", outcome.says);
    assert!(outcome.says.contains("a proxy before the server refuses request bodies"), "{}", outcome.says);
}

#[tokio::test]
async fn a_413_of_the_server_itself_is_not_a_proxys() {
    let sender = Sender::new().await;
    sender.lie(u32::MAX, "PUT", "/chunk/", |_| problem(ProblemType::BodyTooLarge));
    let outcome = sender.send(6 << 20, &["--chunk-size", "2MiB"]).await;
    assert_eq!((outcome.exit, outcome.link.as_str()), (Some(1), ""), "{}", outcome.says);
    assert!(outcome.says.contains("413 The body is too large"), "{}", outcome.says);
    assert_eq!(sender.created().len(), 1, "no new transfer");
}
