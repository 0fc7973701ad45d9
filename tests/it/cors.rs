//! Browsers: any origin may call, none with credentials, and errors can be read too.

use haulier_wire::ProblemType;
use reqwest::Method;

use crate::harness::{Http, Reply, Sample, Server};

const ORIGIN: &str = "https://elsewhere.example";

#[tokio::test]
async fn a_preflight_lets_a_foreign_page_send_a_chunk() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    let asked = "authorization,content-digest,content-type,x-sgraph-access-token,x-sgraph-transfer-delete-auth";
    for (method, path) in [
        ("PUT", sample.chunk_path(0)),
        ("PATCH", format!("/api/transfers/upload/{}", sample.id)),
        ("DELETE", format!("/api/transfers/delete/{}", sample.id)),
        ("POST", "/api/transfers/create".to_owned()),
        ("POST", "/transfers/create".to_owned()),
        ("GET", "/api/config".to_owned()),
    ] {
        let request = http.request(Method::OPTIONS, &path).header("origin", ORIGIN);
        let request = request.header("access-control-request-method", method);
        let reply = Reply::to(request.header("access-control-request-headers", asked)).await.ok();
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{method} {path}");
        let methods = reply.header("access-control-allow-methods");
        assert!(methods.split(',').any(|allowed| allowed.trim() == method), "{method}: {methods}");
        let headers = reply.header("access-control-allow-headers").to_ascii_lowercase();
        for name in asked.split(',') {
            assert!(headers.split(',').any(|allowed| allowed.trim() == name), "{name}: {headers}");
        }
        assert!(reply.headers.get("access-control-allow-credentials").is_none());
        assert_eq!(reply.header("access-control-max-age"), "600");
    }
}

#[tokio::test]
async fn a_preflight_that_asks_for_what_is_not_there_is_a_problem_like_any_other() {
    let server = Server::start();
    let http = Http::new(&server);
    for (method, kind) in [
        ("TRACE", ProblemType::InvalidRequest),
        ("BREW", ProblemType::InvalidRequest),
        // No preflight at all, then.
        ("no method", ProblemType::MethodNotAllowed),
    ] {
        let request = http.request(Method::OPTIONS, "/api/transfers/create").header("origin", ORIGIN);
        Reply::to(request.header("access-control-request-method", method)).await.is(kind);
    }
}

fn assert_readable(reply: &Reply) {
    assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply:?}");
    assert!(reply.headers.get("access-control-allow-credentials").is_none());
    let exposed = reply.header("access-control-expose-headers").to_ascii_lowercase();
    for name in ["etag", "content-range", "accept-ranges", "retry-after", "repr-digest"] {
        assert!(exposed.split(',').any(|header| header.trim() == name), "{name}: {exposed}");
    }
}

#[tokio::test]
async fn every_reply_can_be_read_errors_included() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    let id = sample.id;
    let gone = Sample::new(1, 65_536);
    gone.create(&http).await.ok();
    gone.delete(&http).await.ok();
    use ProblemType::{
        InvalidBody, InvalidTransferId, MethodNotAllowed, MissingToken, RouteNotFound, TransferDeleted,
        TransferNotFound, WrongToken,
    };
    for (method, path, token, kind) in [
        (Method::POST, "/api/transfers/create".to_owned(), "", InvalidBody),
        (Method::GET, "/api/transfers/info/x".to_owned(), "", InvalidTransferId),
        (Method::GET, format!("/api/transfers/upload/{id}"), "", MissingToken),
        (Method::GET, format!("/api/transfers/upload/{id}"), "wrong", WrongToken),
        (Method::GET, "/api/transfers/info/001122334455".to_owned(), "", TransferNotFound),
        (Method::GET, "/api/nothing".to_owned(), "", RouteNotFound),
        (Method::GET, "/nothing".to_owned(), "", RouteNotFound),
        (Method::GET, "/api/transfers/nothing".to_owned(), "", RouteNotFound),
        (Method::GET, "/api/transfers/create".to_owned(), "", MethodNotAllowed),
        (Method::GET, format!("/api/transfers/info/{}", gone.id), "", TransferDeleted),
    ] {
        let request = http.request(method, &path).header("origin", ORIGIN);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let reply = Reply::to(request).await;
        assert_readable(&reply);
        reply.is(kind);
    }
    let request = http.put(&sample.chunk_path(0)).bearer_auth(crate::harness::OWNER_TOKEN).header("origin", ORIGIN);
    let refused = Reply::to(request.body(vec![0; 100_000])).await;
    assert_readable(&refused);
    refused.is(ProblemType::BodyTooLarge);
    for path in ["/api/config", "/healthz", "/readyz", &format!("/api/transfers/info/{id}")] {
        assert_readable(&Reply::to(http.get(path).header("origin", ORIGIN)).await.ok());
    }
}
