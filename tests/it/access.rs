//! Tokens: each route takes one role's, and no reply repeats one.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use haulier_wire::api::{CreateRequest, Info};
use haulier_wire::{ByteLen, ChunkCount, ProblemType};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};

use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server, ServerOptions, token_hash};
use crate::legacy;

const OWNER_HEADER: &str = "x-sgraph-transfer-delete-auth";
const NOBODYS: &str = "a-token-that-nobody-has-9876543210";
const OTHER_OWNER: &str = "the-owner-token-of-another-transfer";
const OTHER_DOWNLOAD: &str = "the-download-token-of-another-transfer";

/// A route that needs a token.
struct Route {
    method: Method,
    path: String,
    is_owners: bool,
}

impl Route {
    fn request(&self, http: &Http) -> RequestBuilder {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let from = Ipv4Addr::from_bits(CALLS.fetch_add(1, Ordering::Relaxed) + (10 << 24));
        http.request(self.method.clone(), &self.path).header("x-forwarded-for", from.to_string())
    }

    fn has_no_body(&self) -> bool {
        self.method == Method::HEAD
    }
}

fn routes(sample: &Sample) -> Vec<Route> {
    let id = sample.id;
    [
        (Method::PUT, format!("upload/{id}/chunk/0"), true),
        (Method::POST, format!("upload/{id}/chunk/0"), true),
        (Method::GET, format!("upload/{id}"), true),
        (Method::HEAD, format!("upload/{id}"), true),
        (Method::PATCH, format!("upload/{id}"), true),
        (Method::POST, format!("complete/{id}"), true),
        (Method::DELETE, format!("delete/{id}"), true),
        (Method::GET, format!("manifest/{id}"), false),
        (Method::HEAD, format!("manifest/{id}"), false),
        (Method::GET, format!("download/{id}/chunk/0"), false),
        (Method::HEAD, format!("download/{id}/chunk/0"), false),
        (Method::GET, format!("download/{id}"), false),
        (Method::HEAD, format!("download/{id}"), false),
        (Method::GET, format!("download-base64/{id}"), false),
        (Method::POST, format!("lease/{id}"), false),
        (Method::POST, format!("lease/{id}/commit"), false),
        (Method::DELETE, format!("lease/{id}"), false),
    ]
    .map(|(method, path, is_owners)| Route { method, path: format!("/api/transfers/{path}"), is_owners })
    .into()
}

/// A server with a transfer of the usual tokens, and one of others.
async fn server_with_two_transfers() -> (Server, Http, Sample) {
    // Many wrong tokens for one transfer, each from an address of its own.
    let server = Server::start_with(ServerOptions::default().env("HAULIER_TRUSTED_PROXIES", "127.0.0.0/8"));
    let http = Http::new(&server);
    let other = Sample::new(1, 65_536);
    let request = CreateRequest {
        owner_token_hash: Some(token_hash(OTHER_OWNER)),
        download_token_hash: Some(token_hash(OTHER_DOWNLOAD)),
        ..other.create_request()
    };
    other.create_with(&http, &request).await.ok();
    let sample = Sample::new(1, 65_536);
    sample.send(&http).await;
    (server, http, sample)
}

/// Sends a request that must be refused, and looks for the tokens in the reply.
async fn refused(route: &Route, request: RequestBuilder, kind: ProblemType, tokens: &[&str]) {
    let is_put = matches!(route.method, Method::PUT | Method::POST) && route.path.contains("chunk");
    let request = if is_put { request.body(vec![1; 29]) } else { request };
    let reply = Reply::to(request).await;
    let shown = format!("{:?} {}", reply.headers, String::from_utf8_lossy(&reply.body));
    for token in tokens {
        assert!(!shown.contains(token), "{} {}: {shown}", route.method, route.path);
    }
    if kind == ProblemType::MissingToken {
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    if route.has_no_body() {
        assert_eq!(reply.status.as_u16(), kind.status(), "{} {}", route.method, route.path);
    } else {
        reply.is(kind);
    }
}

#[tokio::test]
async fn every_route_refuses_every_other_token() {
    let (_server, http, sample) = server_with_two_transfers().await;
    let (longest, too_long) = ("x".repeat(256), "x".repeat(257));
    let digest = token_hash(OWNER_TOKEN);
    for route in routes(&sample) {
        refused(&route, route.request(&http), ProblemType::MissingToken, &[]).await;
        let swapped = if route.is_owners { DOWNLOAD_TOKEN } else { OWNER_TOKEN };
        for token in
            [NOBODYS, swapped, OTHER_OWNER, OTHER_DOWNLOAD, &longest, digest.as_str(), &OWNER_TOKEN.to_uppercase()]
        {
            let request = route.request(&http).bearer_auth(token);
            refused(&route, request, ProblemType::WrongToken, &[token]).await;
        }
        for value in [
            format!("Bearer {too_long}"),
            "Bearer two words".to_owned(),
            "Bearer".to_owned(),
            format!("Basic {OWNER_TOKEN}"),
            OWNER_TOKEN.to_owned(),
            "Bearer t\u{f6}ken".to_owned(),
        ] {
            let request =
                route.request(&http).header(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            refused(&route, request, ProblemType::InvalidRequest, &[&too_long, OWNER_TOKEN, "two words"]).await;
        }
    }
    sample.get(&http, 0).await.ok();
}

#[tokio::test]
async fn one_role_given_twice_must_be_given_the_same() {
    let (_server, http, sample) = server_with_two_transfers().await;
    for route in routes(&sample) {
        let (right, wrong) = if route.is_owners { (OWNER_TOKEN, NOBODYS) } else { (DOWNLOAD_TOKEN, NOBODYS) };
        for (first, second) in [(right, wrong), (wrong, right)] {
            let request = route.request(&http).bearer_auth(first).bearer_auth(second);
            refused(&route, request, ProblemType::ConflictingTokens, &[right, wrong]).await;
            if route.is_owners {
                let request = route.request(&http).bearer_auth(first).header(OWNER_HEADER, second);
                refused(&route, request, ProblemType::ConflictingTokens, &[right, wrong]).await;
                let request = route.request(&http).header(OWNER_HEADER, first).header(OWNER_HEADER, second);
                refused(&route, request, ProblemType::ConflictingTokens, &[right, wrong]).await;
            }
        }
        let request = route.request(&http).bearer_auth(wrong).bearer_auth(wrong);
        refused(&route, request, ProblemType::WrongToken, &[wrong]).await;
    }
}

#[tokio::test]
async fn the_owner_token_is_taken_from_either_header() {
    let (_server, http, sample) = server_with_two_transfers().await;
    let status = || http.get(&format!("/api/transfers/upload/{}", sample.id));
    for request in [
        status().bearer_auth(OWNER_TOKEN),
        status().header(OWNER_HEADER, OWNER_TOKEN),
        status().bearer_auth(OWNER_TOKEN).header(OWNER_HEADER, OWNER_TOKEN),
        status().bearer_auth(OWNER_TOKEN).bearer_auth(OWNER_TOKEN),
        status().header(AUTHORIZATION, format!("bearer {OWNER_TOKEN}")),
        status().header(AUTHORIZATION, format!("BEARER   {OWNER_TOKEN}")),
    ] {
        Reply::to(request).await.ok();
    }
    Reply::to(status().header(OWNER_HEADER, "wrong")).await.is(ProblemType::WrongToken);
    Reply::to(status().header("x-sgraph-access-token", OWNER_TOKEN)).await.is(ProblemType::MissingToken);
    // A reader is not asked for the owner's token, so a wrong one does not matter.
    let manifest = http.get(&format!("/api/transfers/manifest/{}", sample.id));
    Reply::to(manifest.bearer_auth(DOWNLOAD_TOKEN).header(OWNER_HEADER, "wrong")).await.ok();
    let manifest = http.get(&format!("/api/transfers/manifest/{}", sample.id));
    Reply::to(manifest.header(OWNER_HEADER, DOWNLOAD_TOKEN)).await.is(ProblemType::MissingToken);
}

#[tokio::test]
async fn info_needs_no_token_and_holds_nothing_sealed() {
    let (_server, http, sample) = server_with_two_transfers().await;
    let reply = sample.info(&http).await.ok();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!text.contains("sealed_metadata") && !text.contains("key_check") && !text.contains("token_hash"), "{text}");
    let info: Info = reply.json();
    assert!(info.needs_download_token);
    assert_eq!((info.file_size_bytes.get(), info.total_chunks.map(ChunkCount::get)), (1, Some(1)));
}

#[tokio::test]
async fn a_seed_transfer_without_hashes_is_open_and_cannot_be_deleted() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1500, 1024);
    sample.create_with(&http, &sample.seed_request()).await.ok();
    for index in 0..2 {
        let put = http.put(&sample.chunk_path(index)).body(sample.chunk(index, 0));
        assert_eq!(Reply::to(put).await.ok().status, 201);
    }
    // A token that nobody asked for is not looked at.
    sample.put(&http, 0, 0).await.ok();
    Reply::to(http.post(&format!("/api/transfers/complete/{}", sample.id))).await.ok();
    let info: Info = sample.info(&http).await.ok().json();
    assert!(!info.needs_download_token);
    let whole = Reply::to(http.get(&format!("/api/transfers/download/{}", sample.id))).await.ok();
    assert_eq!(whole.body, sample.whole());
    sample.delete(&http).await.is(ProblemType::DeleteNotEnabled);
    let delete = http.request(Method::DELETE, &format!("/api/transfers/delete/{}", sample.id));
    Reply::to(delete).await.is(ProblemType::DeleteNotEnabled);
    Reply::to(http.get(&format!("/api/transfers/download/{}", sample.id))).await.ok();
}

#[tokio::test]
async fn a_seed_transfer_with_hashes_is_guarded_by_them() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 1024);
    let request = CreateRequest {
        owner_token_hash: Some(token_hash(OWNER_TOKEN)),
        download_token_hash: Some(token_hash(DOWNLOAD_TOKEN)),
        ..sample.seed_request()
    };
    sample.create_with(&http, &request).await.ok();
    let put = http.put(&sample.chunk_path(0)).body(sample.chunk(0, 0));
    Reply::to(put).await.is(ProblemType::MissingToken);
    sample.put(&http, 0, 0).await.ok();
    sample.complete(&http).await.ok();
    let chunk = http.get(&format!("/api/transfers/download/{}/chunk/0", sample.id));
    Reply::to(chunk).await.is(ProblemType::MissingToken);
    sample.get(&http, 0).await.ok();
    sample.delete(&http).await.ok();
}

/// An id alone is not enough to say how long a transfer lives or how often it is read, not even where anyone may write.
#[tokio::test]
async fn what_has_no_owner_is_changed_by_nobody() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1500, 1024);
    let request = CreateRequest { max_downloads: ByteLen::new(2), ..sample.seed_request() };
    sample.create_with(&http, &request).await.ok();
    let body =
        serde_json::json!({ "file_size_bytes": 5, "max_downloads": 2, "delete_auth_hash": token_hash("delete") });
    let payload = legacy::create(&http, &body).await;
    let refused = async |id: &str, kind: ProblemType| {
        for change in ["{\"max_downloads\":0}", "{\"max_downloads\":1}", "{\"expires_in_seconds\":1}", "{}"] {
            let patch = || http.request(Method::PATCH, &format!("/api/transfers/upload/{id}")).body(change);
            Reply::to(patch()).await.is(kind);
            Reply::to(patch().bearer_auth("delete")).await.is(kind);
            Reply::to(patch().header(OWNER_HEADER, "delete")).await.is(kind);
        }
        Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await.ok().json::<serde_json::Value>()
    };
    for complete in [false, true] {
        if complete {
            for index in 0..2 {
                Reply::to(http.put(&sample.chunk_path(index)).body(sample.chunk(index, 0))).await.ok();
            }
            Reply::to(http.post(&format!("/api/transfers/complete/{}", sample.id))).await.ok();
            legacy::upload(&http, &payload, "12345").await.ok();
            legacy::complete(&http, &payload).await.ok();
        }
        for (id, kind) in
            [(sample.id.as_str(), ProblemType::DeleteNotEnabled), (&payload, ProblemType::TransferNotFound)]
        {
            assert_eq!(refused(id, kind).await["max_downloads"], 2, "{id}");
        }
    }
    // A day is not a second.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    legacy::download(&http, &payload).await.ok();
    Reply::to(http.get(&format!("/api/transfers/download/{}", sample.id))).await.ok();
}
