//! What an upload may hold: raw bytes, JSON with the bytes inside, or what only looks like it; and how much.

use haulier_wire::legacy::PayloadUploaded;
use haulier_wire::{Problem, ProblemType};
use serde_json::json;

use super::{complete, create, download, upload};
use crate::harness::{Http, Reply, Server, ServerOptions, files_below};

/// Uploads, completes, and reads back.
async fn round_trip(http: &Http, body: &[u8]) -> Vec<u8> {
    let id = create(http, &json!({})).await;
    let uploaded: PayloadUploaded = upload(http, &id, body.to_vec()).await.ok().json();
    complete(http, &id).await.ok();
    let found = download(http, &id).await.ok().body.to_vec();
    assert_eq!(uploaded.size, found.len() as u64);
    found
}

#[tokio::test]
async fn raw_bytes_stay_what_they_are() {
    let server = Server::start();
    let http = Http::new(&server);
    let large: Vec<u8> = (0..3_000_001_u32).map(|number| number.to_le_bytes()[0]).collect();
    for body in [&b""[..], b"x", b"hello", &large] {
        assert!(round_trip(&http, body).await == body, "{} bytes", body.len());
    }
}

#[tokio::test]
async fn json_with_the_payload_inside_is_unwrapped_and_nothing_else() {
    let server = Server::start();
    let http = Http::new(&server);
    for (body, payload) in [
        (&br#"{"data":"aGVsbG8="}"#[..], &b"hello"[..]),
        (br#"{"data":"","x":1}"#, b""),
        (br#"{"data":"aGVsbG8"}"#, br#"{"data":"aGVsbG8"}"#),
        (br#"{"data":1}"#, br#"{"data":1}"#),
        (b"{", b"{"),
        (b"{\x00\xff not JSON", b"{\x00\xff not JSON"),
    ] {
        assert_eq!(round_trip(&http, body).await, payload, "{}", String::from_utf8_lossy(body));
    }
    // Longer than what is looked at: raw, however it begins and ends.
    let mut long = br#"{"data":""#.to_vec();
    long.resize(8 << 20, b'A');
    long.extend_from_slice(br#""}"#);
    assert!(round_trip(&http, &long).await == long);
    // What the outer upload left is gone.
    let folder = server.data_dir().join("blobs/transfers");
    let payloads = files_below(&folder).into_iter().filter(|path| path.to_string_lossy().contains("payloads/"));
    assert_eq!(payloads.count(), 7, "one for each transfer");
}

/// Its sender would find JSON where the payload should be, and a 200 that said nothing of it.
#[tokio::test]
async fn what_is_said_to_be_json_and_is_too_long_for_it_is_refused() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = create(&http, &json!({})).await;
    let with = |media_type: &str, body: reqwest::Body| {
        let request = http.post(&format!("/api/transfers/upload/{id}"));
        Reply::to(request.header("content-type", media_type).body(body))
    };
    let json_of = |len: usize| {
        let mut body = br#"{"data":""#.to_vec();
        body.resize(len - 2, b'A');
        [body, br#""}"#.to_vec()].concat()
    };
    let unannounced = |body: Vec<u8>| reqwest::Body::wrap_stream(stream_of(body));
    let (most, longer) = (json_of(8 << 20), json_of((8 << 20) + 1));
    for media_type in ["application/json", "Application/JSON; charset=utf-8"] {
        for body in [longer.clone().into(), unannounced(longer.clone())] {
            let problem: Problem = with(media_type, body).await.is(ProblemType::BodyTooLarge);
            let detail = problem.detail.expect("a detail");
            assert!(detail.contains("8388608") && detail.contains("application/octet-stream"), "{detail}");
        }
    }
    let folder = server.data_dir().join("blobs");
    crate::harness::eventually("nothing is kept", || {
        files_below(&folder).iter().all(|path| !path.is_file() || path.ends_with("lock"))
    })
    .await;
    // What is short enough is as ever.
    with("application/json", most.into()).await.ok();
    // Raw bytes are raw, however they begin; and what does not begin like JSON is none.
    with("application/octet-stream", longer.clone().into()).await.ok();
    let raw = [b"[", &longer[..]].concat();
    with("application/json", raw.clone().into()).await.ok();
    complete(&http, &id).await.ok();
    assert!(download(&http, &id).await.ok().body == raw);
}

fn stream_of(body: Vec<u8>) -> impl futures::Stream<Item = std::io::Result<Vec<u8>>> {
    futures::stream::iter([Ok(body)])
}

/// The older system never looked into it.
#[tokio::test]
async fn complete_of_a_payload_takes_any_body_and_minds_none() {
    let server = Server::start();
    let http = Http::new(&server);
    let with = |id: &str, body: Vec<u8>| Reply::to(http.post(&format!("/api/transfers/complete/{id}")).body(body));
    let sealed = json!({ "sealed_metadata": "A".repeat(40) }).to_string();
    for body in [&b"not JSON"[..], b"{", b"null", b"[1]", br#"{"transfer_id":"x"}"#, b"\x00\xff", sealed.as_bytes()] {
        let id = create(&http, &json!({})).await;
        let problem: Problem = with(&id, body.to_vec()).await.is(ProblemType::TransferNotFound);
        assert_eq!(problem.detail.as_deref(), Some("Transfer not found or payload not uploaded"));
        upload(&http, &id, "hello").await.ok();
        for _ in 0..2 {
            let completed = with(&id, body.to_vec()).await.ok().json::<serde_json::Value>();
            assert_eq!(completed["download_url"], format!("/d/{id}"));
        }
    }
    let id = create(&http, &json!({})).await;
    upload(&http, &id, "hello").await.ok();
    let most = haulier_wire::limit::MAX_JSON_BODY_BYTES;
    with(&id, vec![b'x'; most + 1]).await.is(ProblemType::BodyTooLarge);
    with(&id, vec![b'x'; most]).await.ok();
    // Of chunks, and of what is not there, it is still a request.
    with("ffffffffffff", b"not JSON".to_vec()).await.is(ProblemType::InvalidBody);
    let sample = crate::harness::Sample::new(1, 65_536);
    sample.send(&http).await;
    let request = http.post(&format!("/api/transfers/complete/{}", sample.id)).bearer_auth(crate::harness::OWNER_TOKEN);
    Reply::to(request.body("not JSON")).await.is(ProblemType::InvalidBody);
}

/// Its pages send the header also while they have no token.
#[tokio::test]
async fn an_empty_access_token_is_none() {
    let server = Server::start();
    let http = Http::new(&server);
    let with = |path: &str, body: &'static str| {
        Reply::to(http.post(&format!("/api/transfers/{path}")).header("x-sgraph-access-token", "").body(body))
    };
    let created: haulier_wire::legacy::PayloadCreated = with("create", "{}").await.ok().json();
    let id = created.transfer_id;
    with(&format!("upload/{id}"), "hello").await.ok();
    with(&format!("complete/{id}"), "").await.ok();
    let closed = Server::start_with(ServerOptions::default().env("HAULIER_CREATE", "token"));
    let http = Http::new(&closed);
    let request = |path: &str| http.post(path).header("x-sgraph-access-token", "").body("{}");
    Reply::to(request("/api/transfers/create")).await.is(ProblemType::MissingToken);
    // What stands in the query counts then.
    Reply::to(request("/api/transfers/create?access_token=unknown")).await.is(ProblemType::TokenUnknown);
}

#[tokio::test]
async fn the_query_may_hold_the_payload() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = create(&http, &json!({})).await;
    let with = |data: &str| http.post(&format!("/api/transfers/upload/{id}?data={data}"));
    Reply::to(with("not%20base64")).await.is(ProblemType::InvalidRequest);
    Reply::to(with("YQ%3D%3D&data=Yg%3D%3D")).await.is(ProblemType::InvalidRequest);
    let uploaded: PayloadUploaded = Reply::to(with("eyJkYXRhIjoiIn0%3D")).await.ok().json();
    assert_eq!(uploaded.size, 11);
    complete(&http, &id).await.ok();
    assert_eq!(&*download(&http, &id).await.ok().body, br#"{"data":""}"#, "what the query holds is not looked into");
}

#[tokio::test]
async fn a_payload_may_be_as_long_as_a_file_and_not_longer() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_MAX_FILE_SIZE", "1000"));
    let http = Http::new(&server);
    let id = create(&http, &json!({})).await;
    upload(&http, &id, vec![7; 1000]).await.ok();
    upload(&http, &id, vec![7; 1001]).await.is(ProblemType::BodyTooLarge);
    let stream = |len| reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>(vec![8_u8; len])]));
    let problem: Problem = upload(&http, &id, stream(1001)).await.is(ProblemType::BodyTooLarge);
    assert_eq!(problem.max_bytes, Some(1000));
    complete(&http, &id).await.ok();
    assert_eq!(download(&http, &id).await.ok().body.len(), 1000, "the last whole one counts");
    let id = create(&http, &json!({})).await;
    upload(&http, &id, stream(1000)).await.ok();
    complete(&http, &id).await.ok();
}

#[tokio::test]
async fn routes_about_chunks_know_no_payload_and_routes_about_payloads_no_chunks() {
    use crate::harness::{DOWNLOAD_TOKEN, Sample};

    let server = Server::start();
    let http = Http::new(&server);
    let pending = create(&http, &json!({})).await;
    let done = super::completed(&http, b"hello").await;
    for id in [&pending, &done] {
        for request in [
            http.put(&format!("/api/transfers/upload/{id}/chunk/0")).body("x"),
            http.get(&format!("/api/transfers/upload/{id}")),
            http.get(&format!("/api/transfers/manifest/{id}")),
            http.get(&format!("/api/transfers/download/{id}/chunk/0")),
        ] {
            // `done` has an owner, who is not asked before it is clear that there are no chunks.
            let reply = Reply::to(request.header("authorization", "Bearer foo")).await;
            assert_eq!(reply.status.as_u16(), 404, "{reply:?}");
        }
    }
    let sample = Sample::new(70_000, 65_536);
    sample.send(&http).await;
    let id = sample.id;
    let problem: Problem = upload(&http, id.as_str(), "x").await.is(ProblemType::TransferNotFound);
    assert!(problem.detail.is_some());
    let request = http.get(&format!("/api/transfers/download-base64/{id}")).bearer_auth(DOWNLOAD_TOKEN);
    assert_eq!(Reply::to(request).await.status.as_u16(), 200, "all sealed chunks, as with download");
}
