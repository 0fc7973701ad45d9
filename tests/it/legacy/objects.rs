//! Payloads in an object store: what is kept of several uploads, and what a deletion leaves.

use serde_json::{Value, json};

use super::{DELETE_HASH, complete, create, delete, download, upload};
use crate::harness::{Http, Reply, ServerOptions};
use crate::s3::everywhere;

#[tokio::test]
async fn of_several_uploads_one_object_stays_and_a_deletion_leaves_none() {
    for objects in everywhere() {
        let options = ServerOptions::default().env("HAULIER_SWEEP_INTERVAL", "1s");
        let (_server, http) = objects.serve_at(&objects.url, options).await;
        let id = create(&http, &json!({ "delete_auth_hash": DELETE_HASH })).await;
        // Of one part, of several, and JSON around the payload.
        for body in [vec![1; 700_000], vec![2; 20 << 20], br#"{"data":"aGVsbG8="}"#.to_vec()] {
            upload(&http, &id, body).await.ok();
            let names = objects.names().await;
            assert_eq!(names.iter().filter(|name| name.contains("/payloads/")).count(), 1, "{names:?}");
        }
        complete(&http, &id).await.ok();
        assert_eq!(&*download(&http, &id).await.ok().body, b"hello");
        let part = http.get(&format!("/api/transfers/download/{id}")).header("range", "bytes=1-3");
        assert_eq!(&*Reply::to(part).await.ok().body, b"ell");
        let reply = Reply::to(http.get(&format!("/api/transfers/download-base64/{id}"))).await.ok();
        assert_eq!(reply.json::<Value>()["data"], "aGVsbG8=");
        assert_eq!(objects.names().await.len(), 2, "the payload and meta.json");
        delete(&http, &id, "foo").await.ok();
        objects.hold_nothing_of(&id).await;
        objects.are_soon(&[]).await;
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_no_object() {
    for objects in everywhere() {
        let (_server, http) = objects.serve_at(&objects.url, ServerOptions::default()).await;
        let id = create(&http, &json!({})).await;
        cut_off(&http, &id).await;
        Reply::to(http.get(&format!("/api/transfers/download/{id}")))
            .await
            .is(haulier_wire::ProblemType::TransferPending);
        objects.are_soon(&[]).await;
    }
}

/// An upload of 12 MiB that ends after 9.
async fn cut_off(http: &Http, id: &str) {
    let pieces = [Ok(vec![3_u8; 9 << 20]), Err(std::io::Error::other("the client goes away"))];
    let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let request = http.post(&format!("/api/transfers/upload/{id}")).header("content-length", 12 << 20).body(body);
    request.send().await.expect_err("it was cut off");
}
