//! Stopping: running requests finish, nothing new begins, and the process says that all is well.

use std::time::Duration;

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;
use tempfile::TempDir;

use crate::harness::{Connection, Http, Reply, Sample, Server, ServerOptions, eventually, files_below};

#[tokio::test]
async fn sigterm_lets_a_chunk_finish_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let folder = TempDir::new().expect("a folder");
        let data_dir = folder.path().join("data");
        let mut server = Server::start_with(ServerOptions::default().data_dir(&data_dir));
        let http = Http::new(&server);
        let sample = Sample::new(2 << 20, 1 << 20);
        sample.create(&http).await.ok();
        let body = sample.chunk(0, 0);
        let mut upload = Connection::open(&server).await;
        upload.send(sample.put_head(0, &format!("content-length: {}\r\n", body.len()))).await;
        upload.send(&body[..body.len() / 2]).await;
        eventually("the chunk is being staged", || !files_below(&data_dir.join("blobs/staging")).is_empty()).await;
        let mut idle = Connection::open(&server).await;
        idle.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(idle.reply().await.expect("an answer").status, 200);

        server.signal(signal);
        // Whoever is still connected hears that it is not ready, or is cut off.
        tokio::time::sleep(Duration::from_millis(100)).await;
        idle.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        if let Some(reply) = idle.reply().await {
            reply.is(ProblemType::Unavailable);
        }
        upload.send(&body[body.len() / 2..]).await;
        assert_eq!(upload.reply().await.expect("an answer").status, 201);
        assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));

        let server = Server::start_with(ServerOptions::default().data_dir(&data_dir));
        let http = Http::new(&server);
        let status: UploadStatus = sample.status(&http).await.ok().json();
        assert_eq!((status.stored_chunks, status.missing), (1, vec![[1, 1]]));
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_is_cut_off_in_the_end() {
    let mut server = Server::start_with(ServerOptions::default().env("HAULIER_SHUTDOWN_TIMEOUT", "1s"));
    let http = Http::new(&server);
    let sample = Sample::new(1 << 20, 1 << 20);
    sample.create(&http).await.ok();
    let mut upload = Connection::open(&server).await;
    upload.send(sample.put_head(0, "content-length: 1048604\r\n")).await;
    upload.send([7; 1000]).await;
    let staging = server.data_dir().join("blobs/staging");
    eventually("the chunk is being staged", || !files_below(&staging).is_empty()).await;
    server.signal("TERM");
    assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));
}

#[tokio::test]
async fn sighup_without_tls_is_ignored() {
    let mut server = Server::start();
    let http = Http::new(&server);
    server.signal("HUP");
    tokio::time::sleep(Duration::from_millis(50)).await;
    Reply::to(http.get("/readyz")).await.ok();
    server.signal("TERM");
    assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));
}
