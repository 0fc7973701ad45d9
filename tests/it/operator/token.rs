//! Access tokens beside a running server: made, used up, revoked; who may create, and within which limits.

use std::collections::BTreeMap;

use futures::future::join_all;
use haulier_wire::api::ServerConfig;
use haulier_wire::{Problem, ProblemType};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::backend::Backend;
use super::{lines, stderr, stdout};
use crate::harness::{Haulier, Http, OWNER_TOKEN, Reply, Sample, Server, ServerOptions};

const ACCESS_HEADER: &str = "x-sgraph-access-token";

/// Makes a test of each scenario on each database.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $scenario() { super::$scenario(super::backend("sqlite_disk")).await; })+
        }
        mod postgres {
            $(#[tokio::test] async fn $scenario() { super::$scenario(super::backend("postgres_disk")).await; })+
        }
    };
}

on_both!(
    a_token_is_made_used_up_and_revoked,
    two_hundred_creates_take_what_there_is,
    what_has_no_owner_belongs_to_whoever_created_it,
    quotas_count_from_create_until_the_sweep,
    the_older_systems_routes_ask_as_well,
);

fn backend(name: &str) -> Backend {
    Backend::named(name).expect("no store is left out")
}

/// A server that asks for access tokens.
fn serve(backend: &Backend) -> (Server, Http) {
    let server = backend.serve_with(ServerOptions::default().env("HAULIER_CREATE", "token"));
    let http = Http::new(&server);
    (server, http)
}

async fn make(backend: &Backend, arguments: &[&str]) -> String {
    let output = backend.operate(&[&["token", "create", "--json"], arguments].concat()).await;
    let made = lines(&output, 0).remove(0);
    made["token"].as_str().expect("the token").to_owned()
}

async fn listed(backend: &Backend) -> BTreeMap<String, Value> {
    let tokens = lines(&backend.operate(&["token", "list", "--json"]).await, 0);
    tokens.into_iter().map(|token| (token["name"].as_str().expect("a name").to_owned(), token)).collect()
}

fn create(http: &Http, sample: &Sample) -> RequestBuilder {
    http.post("/api/transfers/create").json(&sample.create_request())
}

async fn a_token_is_made_used_up_and_revoked(backend: Backend) {
    let (_server, http) = serve(&backend);
    let output =
        backend.operate(&["token", "create", "alice", "--uses", "2", "--expires", "30d", "--bytes", "1GiB"]).await;
    assert!(output.status.success(), "{output:?}");
    let alice = stdout(&output).lines().next().expect("a line").to_owned();
    assert_eq!(alice.len(), 43, "32 random bytes");
    let (first, second) = (Sample::new(1, 65_536), Sample::new(1, 65_536));
    create(&http, &first).refused_as(ProblemType::MissingToken).await;
    create(&http, &first).bearer_auth(OWNER_TOKEN).refused_as(ProblemType::TokenUnknown).await;
    Reply::to(create(&http, &first).bearer_auth(&alice)).await.ok();
    for _ in 0..2 {
        Reply::to(create(&http, &second).header(ACCESS_HEADER, &alice)).await.ok();
    }
    // Both used; the same creates again need none.
    create(&http, &Sample::new(1, 65_536)).bearer_auth(&alice).refused_as(ProblemType::TokenUsedUp).await;
    Reply::to(create(&http, &first).bearer_auth(&alice).header(ACCESS_HEADER, &alice)).await.ok();
    let token = &listed(&backend).await["alice"];
    assert_eq!((&token["state"], &token["uses"], &token["max_uses"]), (&"used up".into(), &2.into(), &2.into()));
    assert_eq!((&token["max_bytes"], &token["open_uploads"]), (&(1 << 30).into(), &2.into()));
    assert!(token["token"].is_null() && !format!("{:?}", listed(&backend).await).contains(&alice));

    let again = backend.operate(&["token", "create", "alice"]).await;
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(stderr(&again).contains("of the name alice"), "{again:?}");
    for status in ["revoked", "already_revoked"] {
        let revoked = lines(&backend.operate(&["token", "revoke", "alice", "--json"]).await, 0).remove(0);
        assert_eq!(revoked["status"], status);
    }
    assert_eq!(backend.operate(&["token", "revoke", "bob"]).await.status.code(), Some(1));
    // Known at once, also where nothing new would be taken.
    create(&http, &first).bearer_auth(&alice).refused_as(ProblemType::TokenRevoked).await;
    // What it created is its owner's.
    first.put(&http, 0, 0).await.ok();
    first.complete(&http).await.ok();

    let ended = make(&backend, &["ended", "--expires", "0s"]).await;
    create(&http, &Sample::new(1, 65_536)).bearer_auth(&ended).refused_as(ProblemType::TokenExpired).await;
    let none = make(&backend, &["none", "--uses", "0"]).await;
    create(&http, &Sample::new(1, 65_536)).bearer_auth(&none).refused_as(ProblemType::TokenUsedUp).await;
    let names: Vec<String> = listed(&backend).await.into_keys().collect();
    assert_eq!(names, ["alice", "ended", "none"]);
}

async fn two_hundred_creates_take_what_there_is(backend: Backend) {
    let (_server, http) = serve(&backend);
    let sample = || Sample::new(1000, 65_536);
    // Sealed bytes and sealed metadata of one sample.
    let each = 1000 + 28 + 100;
    let quota = (11 * each + each - 1).to_string();
    let (uses, bytes) =
        (make(&backend, &["uses", "--uses", "7"]).await, make(&backend, &["b", "--bytes", &quota]).await);
    let creates = (0..200).map(|number| {
        let token = if number % 2 == 0 { &uses } else { &bytes };
        Reply::to(create(&http, &sample()).bearer_auth(token))
    });
    let replies = join_all(creates).await;
    let of = |parity: usize, status: u16| {
        replies.iter().skip(parity).step_by(2).filter(|reply| reply.status == status).count()
    };
    assert_eq!((of(0, 201), of(0, 401)), (7, 93));
    assert_eq!((of(1, 201), of(1, 507)), (11, 89));
    let refused: Problem = replies.iter().find(|reply| reply.status == 507).expect("one").json();
    assert!(refused.left_bytes.is_some_and(|left| left >= each - 1), "{refused:?}");
    let tokens = listed(&backend).await;
    assert_eq!((&tokens["uses"]["uses"], &tokens["b"]["counted_bytes"]), (&7.into(), &(11 * each).into()));
}

async fn what_has_no_owner_belongs_to_whoever_created_it(backend: Backend) {
    let (server, http) = serve(&backend);
    let (mine, other) = (make(&backend, &["mine"]).await, make(&backend, &["other"]).await);
    let sample = Sample::new(1500, 1024);
    Reply::to(http.post("/api/transfers/create").json(&sample.seed_request()).bearer_auth(&mine)).await.ok();
    let put = |index| http.put(&sample.chunk_path(index)).body(sample.chunk(index, 0));
    let complete = || http.post(&format!("/api/transfers/complete/{}", sample.id));
    let status = || http.get(&format!("/api/transfers/upload/{}", sample.id));
    let patch = || {
        let request = http.request(Method::PATCH, &format!("/api/transfers/upload/{}", sample.id));
        request.json(&serde_json::json!({ "max_downloads": 3 }))
    };
    for request in [put(0), complete(), status(), patch()] {
        request.refused_as(ProblemType::MissingToken).await;
    }
    patch().bearer_auth(&other).refused_as(ProblemType::TokenUnknown).await;
    put(0).bearer_auth(&other).refused_as(ProblemType::TokenUnknown).await;
    complete().header(ACCESS_HEADER, &other).refused_as(ProblemType::TokenUnknown).await;
    Reply::to(put(0).bearer_auth(&mine)).await.ok();
    Reply::to(put(1).header(ACCESS_HEADER, &mine)).await.ok();
    Reply::to(status().header(ACCESS_HEADER, &mine)).await.ok();
    Reply::to(complete().header(ACCESS_HEADER, &mine)).await.ok();
    Reply::to(patch().header(ACCESS_HEADER, &mine)).await.ok();

    let second = Sample::new(1500, 1024);
    Reply::to(http.post("/api/transfers/create").json(&second.seed_request()).bearer_auth(&mine)).await.ok();
    assert!(backend.operate(&["token", "revoke", "mine"]).await.status.success());
    let put = http.put(&second.chunk_path(0)).body(second.chunk(0, 0)).bearer_auth(&mine);
    put.refused_as(ProblemType::TokenRevoked).await;
    drop(server);
    // Where nobody is asked, the id is the only secret.
    let server = backend.serve();
    let http = Http::new(&server);
    Reply::to(http.put(&second.chunk_path(0)).body(second.chunk(0, 0))).await.ok();
}

async fn quotas_count_from_create_until_the_sweep(backend: Backend) {
    // What one sample takes, and a half.
    let options = ServerOptions::default()
        .env("HAULIER_MAX_TOTAL_SIZE", (65_536 + 28 + 100 + 30_000).to_string())
        .env("HAULIER_MAX_OPEN_UPLOADS", "1");
    let server = backend.serve_with(options);
    let http = Http::new(&server);
    let config = async || Reply::to(http.get("/api/config")).await.ok().json::<ServerConfig>();
    assert_eq!(config().await.left_bytes.map(|left| left.get()), Some(65_536 + 28 + 100 + 30_000));
    let (first, second) = (Sample::new(65_536, 65_536), Sample::new(65_536, 65_536));
    first.create(&http).await.ok();
    first.create(&http).await.ok();
    let reply = Reply::to(create(&http, &second)).await;
    assert_eq!(reply.header("retry-after"), "30");
    reply.is(ProblemType::TooManyUploads);
    first.put(&http, 0, 0).await.ok();
    first.complete(&http).await.ok();
    let reply = Reply::to(create(&http, &second)).await;
    assert_eq!(reply.header("retry-after"), "300");
    assert_eq!(reply.is(ProblemType::QuotaExceeded).left_bytes, Some(30_000));
    let config_now = config().await;
    assert_eq!((config_now.left_bytes.map(|left| left.get()), config_now.max_open_uploads), (Some(30_000), Some(1)));
    first.delete(&http).await.ok();
    // The sweep follows at once.
    let mut tries = 0;
    loop {
        let reply = Reply::to(create(&http, &second)).await;
        tries += 1;
        if reply.status == StatusCode::CREATED {
            break;
        }
        assert!(tries < 100, "{reply:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn the_older_systems_routes_ask_as_well(backend: Backend) {
    let (_server, http) = serve(&backend);
    let token = make(&backend, &["old", "--uses", "3", "--bytes", "1000"]).await;
    let create = |query: &str| {
        http.post(&format!("/api/transfers/create{query}")).json(&serde_json::json!({ "file_size_bytes": 5 }))
    };
    create("").refused_as(ProblemType::MissingToken).await;
    assert_eq!(Reply::to(create("")).await.json::<Problem>().detail.as_deref(), Some("Access token required"));
    create("?access_token=wrong").refused_as(ProblemType::TokenUnknown).await;
    create(&format!("?access_token={token}")).bearer_auth("other").refused_as(ProblemType::ConflictingTokens).await;
    let created: Value = Reply::to(create(&format!("?access_token={token}"))).await.ok().json();
    let id = created["transfer_id"].as_str().expect("an id");
    let upload = |bytes: usize| http.post(&format!("/api/transfers/upload/{id}")).body(vec![7; bytes]);
    let complete = |query: &str| http.post(&format!("/api/transfers/complete/{id}{query}"));
    upload(10).refused_as(ProblemType::MissingToken).await;
    upload(10).header(ACCESS_HEADER, "wrong").refused_as(ProblemType::TokenUnknown).await;
    // More than was announced, within the quota and beyond it.
    Reply::to(upload(600).header(ACCESS_HEADER, &token)).await.ok();
    let reply = Reply::to(upload(1001).header(ACCESS_HEADER, &token)).await;
    assert_eq!(reply.is(ProblemType::QuotaExceeded).left_bytes, Some(400));
    assert_eq!(listed(&backend).await["old"]["counted_bytes"], 600);
    complete("").refused_as(ProblemType::MissingToken).await;
    Reply::to(complete(&format!("?access_token={token}"))).await.ok();
    assert_eq!(listed(&backend).await["old"]["open_uploads"], 0);

    let check = async |token: &str| {
        Reply::to(http.get(&format!("/api/transfers/check-token/{token}"))).await.ok().json::<Value>()
    };
    let validate = async |token: &str| {
        Reply::to(http.post(&format!("/api/transfers/validate-token/{token}"))).await.ok().json::<Value>()
    };
    assert_eq!(check(&token).await, serde_json::json!({ "valid": true, "status": "active", "remaining": 2 }));
    for left in [1, 0] {
        let used = serde_json::json!({ "success": true, "usage_count": 3 - left, "remaining": left });
        assert_eq!(validate(&token).await, used);
    }
    assert_eq!(validate(&token).await, serde_json::json!({ "success": false, "reason": "exhausted" }));
    assert_eq!(check(&token).await["valid"], false);
    assert_eq!(check("nobodys").await, serde_json::json!({ "valid": false, "reason": "not_found" }));
    create("").header(ACCESS_HEADER, &token).refused_as(ProblemType::TokenUsedUp).await;
}

#[tokio::test]
async fn what_is_no_token_is_told_apart_from_a_wrong_one() {
    let backend = backend("sqlite_disk");
    let (_server, http) = serve(&backend);
    let good = make(&backend, &["good"]).await;
    let sample = Sample::new(1, 65_536);
    let bearer = |text: String| create(&http, &sample).header("authorization", format!("Bearer {text}"));
    bearer("x".repeat(256)).refused_as(ProblemType::TokenUnknown).await;
    bearer("x".repeat(257)).refused_as(ProblemType::InvalidRequest).await;
    create(&http, &sample).header(ACCESS_HEADER, "x".repeat(257)).refused_as(ProblemType::InvalidRequest).await;
    create(&http, &sample).header(ACCESS_HEADER, "two words").refused_as(ProblemType::InvalidRequest).await;
    create(&http, &sample)
        .bearer_auth(&good)
        .header(ACCESS_HEADER, "x")
        .refused_as(ProblemType::ConflictingTokens)
        .await;
    create(&http, &sample)
        .header(ACCESS_HEADER, &good)
        .bearer_auth("x")
        .refused_as(ProblemType::ConflictingTokens)
        .await;
    // Another role's token, and another role's header.
    create(&http, &sample).bearer_auth(OWNER_TOKEN).refused_as(ProblemType::TokenUnknown).await;
    let owners = create(&http, &sample).header("x-sgraph-transfer-delete-auth", &good);
    owners.refused_as(ProblemType::MissingToken).await;
    // Before anything is read of the body.
    let garbage = http.post("/api/transfers/create").body(vec![b'{'; 1 << 20]);
    garbage.refused_as(ProblemType::MissingToken).await;
    Reply::to(create(&http, &sample).bearer_auth(&good)).await.ok();
}

#[tokio::test]
async fn wrong_flags_are_refused_and_repeat_nothing() {
    let backend = backend("sqlite_disk");
    let _server = backend.serve();
    let longest = "n".repeat(64);
    for arguments in [
        &["token", "create", ""][..],
        &["token", "create", "two words"],
        &["token", "create", "hunter2\n"],
        &["token", "create", &format!("{longest}n")],
        &["token", "revoke", "hunter2/hunter2"],
        &["token", "create", "x", "--uses", "-1"],
        &["token", "create", "x", "--uses", "9007199254740992"],
        &["token", "create", "x", "--bytes", "-1"],
        &["token", "create", "x", "--bytes", "8193TiB"],
        &["token", "create", "x", "--expires", "-1d"],
    ] {
        let output = backend.operate(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!stderr(&output).contains("hunter2"), "{output:?}");
    }
    make(&backend, &[&longest, "--uses", "9007199254740991", "--bytes", "8192TiB"]).await;
}

#[tokio::test]
async fn requests_beyond_the_rate_wait() {
    let backend = backend("sqlite_disk");
    let options = ServerOptions::default()
        .env("HAULIER_CREATE", "token")
        .env("HAULIER_CLIENT_RATE", "20/1h")
        .env("HAULIER_TOKEN_RATE", "3/1h")
        .env("HAULIER_TRUSTED_PROXIES", "127.0.0.1");
    let server = backend.serve_with(options);
    let http = Http::new(&server);
    let token = make(&backend, &["fast"]).await;
    let from = |address: &str| create(&http, &Sample::new(1, 65_536)).header("x-forwarded-for", address);
    for number in 0..3 {
        Reply::to(from(&format!("192.0.2.{number}")).bearer_auth(&token)).await.ok();
    }
    let reply = Reply::to(from("192.0.2.9").bearer_auth(&token)).await;
    let problem: Problem = reply.json();
    assert_eq!(reply.header("retry-after"), problem.retry_after_seconds.expect("a time").to_string());
    assert!((1190..=1200).contains(&problem.retry_after_seconds.expect("a time")), "{problem:?}");
    reply.is(ProblemType::RateLimited);
    for _ in 0..20 {
        from("198.51.100.1").refused_as(ProblemType::MissingToken).await;
    }
    from("198.51.100.1").refused_as(ProblemType::RateLimited).await;
    from("198.51.100.2").refused_as(ProblemType::MissingToken).await;
    let config: ServerConfig =
        Reply::to(http.get("/api/config").header("x-forwarded-for", "198.51.100.1")).await.ok().json();
    assert_eq!(config.client_rate.map(|rate| (rate.requests, rate.per_seconds)), Some((20, 3600)));
    assert_eq!(config.token_rate.map(|rate| (rate.requests, rate.per_seconds)), Some((3, 3600)));
    assert!(config.access_token_required);
}

#[tokio::test]
async fn the_client_says_which_token_and_which_limit() {
    let backend = backend("sqlite_disk");
    let options = ServerOptions::default().env("HAULIER_CREATE", "token").env("HAULIER_MAX_TOTAL_SIZE", "1MiB");
    let server = backend.serve_with(options);
    let token = make(&backend, &["cli", "--bytes", "300KiB"]).await;
    let send = async |token: Option<&str>, bytes: usize| {
        let person = token.iter().fold(Haulier::new(), |person, token| person.env("HAULIER_ACCESS_TOKEN", *token));
        let file = person.file("file.bin", &vec![1; bytes]);
        let output = person.run(["send", file.to_str().expect("UTF-8"), "--to", server.url(), "--json"]).await;
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, said) = send(None, 10).await;
    assert!(status == Some(3) && said.contains("HAULIER_ACCESS_TOKEN"), "{status:?} {said}");
    let (status, said) = send(Some("wrong"), 10).await;
    assert!(status == Some(3) && said.contains("refused the access token"), "{status:?} {said}");
    let (status, said) = send(Some(&token), 400 << 10).await;
    assert!(status != Some(0) && said.contains("quota"), "{status:?} {said}");
    let (status, said) = send(Some(&token), 2 << 20).await;
    assert!(status != Some(0) && said.contains("the server has room for"), "{status:?} {said}");
    assert_eq!(send(Some(&token), 200 << 10).await.0, Some(0));
    assert!(backend.operate(&["token", "revoke", "cli"]).await.status.success());
    let (status, said) = send(Some(&token), 10).await;
    assert!(status == Some(3) && said.contains("revoked"), "{status:?} {said}");
}

/// Sends a request that must be refused in one way.
trait Refused {
    async fn refused_as(self, kind: ProblemType);
}

impl Refused for RequestBuilder {
    async fn refused_as(self, kind: ProblemType) {
        Reply::to(self).await.is(kind);
    }
}
