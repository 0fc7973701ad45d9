//! kill -9 between upload and complete, and in the middle of an upload.

use serde_json::json;
use tempfile::TempDir;

use super::{complete, create, delete, download, upload};
use crate::harness::{Http, Server, ServerOptions, eventually, files_below};

fn start(folder: &TempDir) -> Server {
    let options = ServerOptions::default().data_dir(&folder.path().join("data"));
    Server::start_with(options.env("HAULIER_SWEEP_INTERVAL", "1s"))
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_what_was_not_is_gone() {
    let folder = TempDir::new().expect("a folder");
    let mut server = start(&folder);
    let http = Http::new(&server);
    let id = create(&http, &json!({ "delete_auth_hash": super::DELETE_HASH })).await;
    let payload = vec![7_u8; 300_000];
    upload(&http, &id, payload.clone()).await.ok();
    // Another one is in the middle of its way.
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(Ok::<_, std::io::Error>(vec![8_u8; 400_000])).expect("sent");
    let request = http.post(&format!("/api/transfers/upload/{id}")).body(reqwest::Body::wrap_stream(receiver));
    let half = tokio::spawn(request.send());
    let staging = server.data_dir().join("blobs/staging");
    eventually("it is being staged", || !files_below(&staging).is_empty()).await;
    server.kill();
    drop(sender);
    assert!(half.await.expect("it ends").is_err(), "never answered");

    let mut server = start(&folder);
    let http = Http::new(&server);
    complete(&http, &id).await.ok();
    assert!(download(&http, &id).await.ok().body == payload);
    server.kill();

    let server = start(&folder);
    let http = Http::new(&server);
    assert!(download(&http, &id).await.ok().body == payload, "complete was durable");
    let blobs = server.data_dir().join("blobs/transfers");
    assert_eq!(files_below(&blobs.join(&id).join("payloads")).len(), 1, "nothing of the other one");
    delete(&http, &id, "foo").await.ok();
    eventually("the sweep removes all of it", || files_below(&blobs).is_empty()).await;
    assert!(files_below(&server.data_dir().join("blobs/staging")).is_empty());
}
