//! Reads of a payload: HEAD, ranges, conditions, base64, pages of other origins.

use haulier_wire::ProblemType;
use reqwest::Method;
use serde_json::{Value, json};

use super::{completed, download, info};
use crate::harness::{Http, Reply, Server};

const PAYLOAD: &[u8] = b"hello";

#[tokio::test]
async fn a_payload_is_read_like_anything_on_the_web() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = completed(&http, PAYLOAD).await;
    let path = format!("/api/transfers/download/{id}");
    let whole = download(&http, &id).await.ok();
    assert_eq!((&*whole.body, whole.header("content-length")), (PAYLOAD, "5"));
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag").to_owned();

    let head = Reply::to(http.request(Method::HEAD, &path)).await.ok();
    assert_eq!((&*head.body, head.header("content-length"), head.header("etag")), (&b""[..], "5", &*etag));

    let with = |name: &'static str, value: &str| http.get(&path).header(name, value);
    let part = Reply::to(with("range", "bytes=1-3")).await;
    assert_eq!((part.status.as_u16(), &*part.body, part.header("content-range")), (206, &b"ell"[..], "bytes 1-3/5"));
    Reply::to(with("range", "bytes=5-")).await.is(ProblemType::RangeNotSatisfiable);
    let same = Reply::to(with("range", "bytes=4-").header("if-range", &etag)).await;
    assert_eq!((same.status.as_u16(), &*same.body), (206, &b"o"[..]));
    let other = Reply::to(with("range", "bytes=4-").header("if-range", "\"other\"")).await;
    assert_eq!((other.status.as_u16(), &*other.body), (200, PAYLOAD));
    assert_eq!(Reply::to(with("if-none-match", &etag)).await.status.as_u16(), 304);

    // The seed's bare path answers the same.
    assert_eq!(&*Reply::to(http.get(&format!("/transfers/download/{id}"))).await.ok().body, PAYLOAD);
    let found = info(&http, &id).await;
    assert_eq!((&found["download_count"], &found["format"]), (&json!(3), &json!("payload")), "whole reads are counted");
}

#[tokio::test]
async fn an_empty_payload_can_be_read() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = completed(&http, b"").await;
    assert_eq!(&*download(&http, &id).await.ok().body, b"");
    let reply = Reply::to(http.get(&format!("/api/transfers/download-base64/{id}"))).await.ok();
    assert_eq!(reply.json::<Value>(), json!({"transfer_id": id, "data": "", "file_size_bytes": 0}));
}

#[tokio::test]
async fn base64_of_any_length_has_the_length_that_it_says() {
    let server = Server::start();
    let http = Http::new(&server);
    let payload: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    for len in [1, 2, 3, 4, 65_535, 65_536, 65_537, 3_000_000] {
        let id = completed(&http, &payload[..len]).await;
        let path = format!("/api/transfers/download-base64/{id}");
        let reply = Reply::to(http.get(&path)).await.ok();
        assert_eq!(reply.header("content-type"), "application/json");
        let data = reply.json::<Value>()["data"].as_str().expect("a text").to_owned();
        assert!(haulier_wire::encoding::from_base64(&data).expect("base64") == payload[..len], "{len} bytes");
        let head = Reply::to(http.request(Method::HEAD, &path)).await.ok();
        assert_eq!(head.header("content-length"), reply.body.len().to_string());
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_do_everything() {
    let server = Server::start();
    let http = Http::new(&server);
    for (method, path, headers) in [
        ("POST", "/api/transfers/create", "x-sgraph-access-token,content-type"),
        ("POST", "/api/transfers/upload/a1b2c3d4e5f6", "x-sgraph-access-token,content-type"),
        ("GET", "/api/transfers/download/a1b2c3d4e5f6", "range"),
        ("DELETE", "/api/transfers/delete/a1b2c3d4e5f6", "x-sgraph-transfer-delete-auth"),
        ("GET", "/api/presigned/capabilities", "x-sgraph-access-token"),
    ] {
        let asked = http.request(Method::OPTIONS, path).header("origin", "http://x.test");
        let asked = asked.header("access-control-request-method", method);
        let reply = Reply::to(asked.header("access-control-request-headers", headers)).await.ok();
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{method} {path}");
        assert!(reply.header("access-control-allow-methods").contains(method), "{method} {path}");
        let allowed = reply.header("access-control-allow-headers").to_lowercase();
        assert!(headers.split(',').all(|header| allowed.contains(header)), "{method} {path}: {allowed}");
    }
    let reply = Reply::to(http.get("/api/transfers/info/ffffffffffff").header("origin", "http://x.test")).await;
    assert_eq!(reply.header("access-control-allow-origin"), "*", "errors can be read, too");
}
