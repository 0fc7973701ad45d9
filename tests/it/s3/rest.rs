//! What a client leaves behind that goes away, what many clients cost, and what the log says.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};

use crate::harness::{Connection, Sample, ServerOptions};

use super::everywhere;

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_put_that_its_client_breaks_off_leaves_no_object() {
    for objects in everywhere() {
        for buffer in ["256MiB", "0"] {
            let options = ServerOptions::default().env("HAULIER_S3_BUFFER", buffer);
            let (server, http) = objects.serve_at(&objects.url, options).await;
            let sample = Sample::new(4 * MIB, 4 * MIB);
            sample.create(&http).await.ok();
            let body = sample.chunk(0, 0);
            for sent in [100, body.len() / 2, body.len() - 1] {
                let mut connection = Connection::open(&server).await;
                connection.send(sample.put_head(0, &format!("content-length: {}\r\n", body.len()))).await;
                connection.send(&body[..sent]).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            objects.are_soon(&[]).await;
            // It is not in the way of the whole chunk.
            assert_eq!(sample.put(&http, 0, 0).await.status, 201);
            sample.complete(&http).await.ok();
            assert_eq!(sample.get(&http, 0).await.ok().body, body);
            sample.delete(&http).await.ok();
            objects.are_soon(&[]).await;
        }
    }
}

#[tokio::test]
async fn sixty_four_uploads_of_8_mib_stay_within_the_buffer_and_150_mib() {
    for objects in everywhere() {
        for (buffer, most) in [("256MiB", 406), ("0", 150)] {
            let options = ServerOptions::default().env("HAULIER_S3_BUFFER", buffer);
            let (server, http) = objects.serve_at(&objects.url, options).await;
            let sample = Sample::new(64 * 8 * MIB, 8 * MIB);
            sample.create(&http).await.ok();
            let (http, sample) = (&http, &sample);
            stream::iter(0..64)
                .map(|index| async move { sample.put(http, index, 0).await.ok() })
                .buffer_unordered(64)
                .for_each(|_| async {})
                .await;
            let peak = server.peak_rss_bytes() / MIB;
            println!("{}, buffer {buffer}: {peak} MiB at the peak", objects.store.name);
            assert!(peak <= most, "{}, buffer {buffer}: {peak} MiB at the peak", objects.store.name);
            sample.complete(http).await.ok();
            assert_eq!(sample.get(http, 63).await.ok().body, sample.chunk(63, 0));
            sample.delete(http).await.ok();
            objects.are_soon(&[]).await;
        }
    }
}

#[tokio::test]
async fn no_credentials_are_in_the_most_talkative_log() {
    for objects in everywhere() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let options = ServerOptions::default().env("HAULIER_LOG", "trace").log_to(&log);
        let (mut server, http) = objects.serve_at(&objects.url, options).await;
        let sample = Sample::new(MIB, MIB);
        sample.send(&http).await;
        sample.get(&http, 0).await.ok();
        server.kill();
        let log = std::fs::read_to_string(&log).expect("a log");
        assert!(log.contains("PutObject"), "the store's client is in it");
        for secret in [objects.store.secret_key.as_str(), "Signature="] {
            assert!(!log.contains(secret), "{} on {}", secret, objects.store.name);
        }
    }
}
