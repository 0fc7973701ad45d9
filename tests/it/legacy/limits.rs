//! Limits of the older system's transfers: counted once for each download, whichever way it takes.

use futures::future::join_all;
use haulier_wire::ProblemType;
use haulier_wire::legacy::PayloadUploaded;
use reqwest::Method;
use serde_json::{Value, json};

use super::{DELETE_HASH, complete, create, delete, download, info, upload};
use crate::harness::{Http, Reply, Server, ServerOptions, eventually};

async fn limited(http: &Http, most: u64, payload: &[u8]) -> String {
    let asked = json!({"file_size_bytes": 5, "content_type_hint": "text/plain", "max_downloads": most,
        "auto_delete": true, "expires_at": "2030-01-01T00:00:00+00:00", "delete_auth_hash": DELETE_HASH});
    let id = create(http, &asked).await;
    let uploaded: PayloadUploaded = upload(http, &id, payload.to_vec()).await.ok().json();
    assert_eq!(uploaded.size, payload.len() as u64);
    complete(http, &id).await.ok();
    id
}

fn says(info: &Value, status: &str, count: u64, remaining: u64) {
    let found =
        ["status", "download_count", "max_downloads", "downloads_remaining", "is_expired"].map(|name| &info[name]);
    assert_eq!(found, [&json!(status), &json!(count), &json!(1), &json!(remaining), &json!(false)], "{info}");
}

#[tokio::test]
async fn the_recorded_session_of_a_limited_transfer_is_answered_as_it_was() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = limited(&http, 1, b"hello").await;
    says(&info(&http, &id).await, "completed", 0, 1);
    // Neither asks for a byte.
    Reply::to(http.request(Method::HEAD, &format!("/api/transfers/download/{id}"))).await.ok();
    Reply::to(http.get(&format!("/api/transfers/download/{id}")).header("range", "bytes=9-"))
        .await
        .is(ProblemType::RangeNotSatisfiable);
    assert_eq!(&*download(&http, &id).await.ok().body, b"hello");
    for path in ["download", "download-base64"] {
        let problem =
            Reply::to(http.get(&format!("/api/transfers/{path}/{id}"))).await.is(ProblemType::TransferExhausted);
        assert_eq!(problem.detail.as_deref(), Some("exhausted"));
    }
    says(&info(&http, &id).await, "exhausted", 1, 0);
    delete(&http, &id, "bar").await.is(ProblemType::WrongToken);
    let reply = delete(&http, &id, "foo").await.ok();
    assert_eq!(reply.json::<Value>(), json!({"status": "already_deleted", "transfer_id": id}));
    complete(&http, &id).await;
    upload(&http, &id, "again").await.is(ProblemType::TransferNotFound);
}

#[tokio::test]
async fn base64_spends_a_download_like_any_other() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = limited(&http, 1, b"hello").await;
    let path = format!("/api/transfers/download-base64/{id}");
    Reply::to(http.request(Method::HEAD, &path)).await.ok();
    assert_eq!(Reply::to(http.get(&path)).await.ok().json::<Value>()["data"], "aGVsbG8=");
    download(&http, &id).await.is(ProblemType::TransferExhausted);
}

async fn one_of_forty_gets_it(options: ServerOptions) {
    let server = Server::start_with(options.env("HAULIER_SWEEP_INTERVAL", "1s").env("HAULIER_SWEEP_GRACE", "0s"));
    let http = Http::new(&server);
    for len in [5, 3 << 20] {
        let payload = vec![7; len];
        let id = limited(&http, 1, &payload).await;
        let replies = join_all((0..40).map(|_| download(&http, &id))).await;
        let (got, others): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status.as_u16() == 200);
        assert_eq!(got.len(), 1, "{len} bytes");
        assert!(got[0].body == payload);
        for reply in others {
            assert!(matches!(reply.status.as_u16(), 409 | 410), "{reply:?}");
        }
        says(&info(&http, &id).await, "exhausted", 1, 0);
        let folder = server.data_dir().join(format!("blobs/transfers/{id}"));
        eventually("its bytes go with its last download", || !folder.exists()).await;
        says(&info(&http, &id).await, "exhausted", 1, 0);
    }
}

#[tokio::test]
async fn one_of_forty_gets_it_on_sqlite() {
    one_of_forty_gets_it(ServerOptions::on_sqlite()).await;
}

#[tokio::test]
async fn one_of_forty_gets_it_on_postgres() {
    one_of_forty_gets_it(ServerOptions::on_postgres()).await;
}

#[tokio::test]
async fn limits_are_whole_numbers_in_range() {
    let server = Server::start();
    let http = Http::new(&server);
    for limit in [json!(-1), json!(1_u64 << 53), json!("1"), json!(1.5)] {
        let reply = Reply::to(http.post("/api/transfers/create").json(&json!({ "max_downloads": limit }))).await;
        reply.is(ProblemType::InvalidBody);
    }
    for limit in [0, (1_u64 << 53) - 1] {
        create(&http, &json!({ "max_downloads": limit })).await;
    }
}
