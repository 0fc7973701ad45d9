//! In and out again, the objects in between, and their end.

use crate::harness::{Haulier, Sample, random_bytes, sha256_of};

use super::everywhere;

const CHUNK: usize = 960 << 10;

#[tokio::test]
async fn every_size_around_a_chunk_comes_back_as_it_was() {
    for objects in everywhere() {
        let (server, _) = objects.serve().await;
        let haulier = Haulier::new();
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 << 20, 100 << 20] {
            let path = haulier.file(&format!("{size}.bin"), &random_bytes(size));
            let sent = haulier.send(&path, server.url(), &[]).await;
            let target = haulier.home().join(format!("{size}.out"));
            haulier.get(&sent.link, &target).await;
            assert_eq!(sha256_of(&target), sha256_of(&path), "{size} bytes on {}", objects.store.name);
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent_under_the_names_of_the_protocol() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        let sample = Sample::new(2 * (1 << 20) + 5, 1 << 20);
        sample.send(&http).await;
        let folder = format!("transfers/{}", sample.id);
        let names: Vec<String> = (0..3).map(|index| format!("{folder}/chunks/{index}")).collect();
        for (index, name) in names.iter().enumerate() {
            assert_eq!(objects.bytes(name).await, sample.chunk(u32::try_from(index).expect("small"), 0));
        }
        let meta: serde_json::Value =
            serde_json::from_slice(&objects.bytes(&format!("{folder}/meta.json")).await).expect("JSON");
        assert_eq!(meta["transfer_id"], sample.id.as_str());
        assert_eq!(objects.names().await.len(), names.len() + 1);
        assert_eq!(sample.get(&http, 1).await.ok().body, sample.chunk(1, 0));
    }
}

#[tokio::test]
async fn deletion_leaves_no_object_and_touches_no_other_transfer() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        let (kept, gone) = (Sample::new(65_537, 65_536), Sample::new(3 << 20, 65_536));
        kept.send(&http).await;
        gone.send(&http).await;
        let half = Sample::new(65_537, 65_536);
        half.create(&http).await.ok();
        half.put(&http, 0, 0).await.ok();
        for sample in [&gone, &half] {
            sample.delete(&http).await.ok();
        }
        let left = ["chunks/0", "chunks/1", "meta.json"].map(|name| format!("transfers/{}/{name}", kept.id));
        objects.are_soon(&left).await;
        kept.get(&http, 1).await.ok();
        kept.delete(&http).await.ok();
        objects.are_soon(&[]).await;
    }
}

#[tokio::test]
async fn ranges_over_chunks_come_from_the_store_as_they_are() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        let sample = Sample::new(400_000, 65_536);
        sample.send(&http).await;
        let whole = sample.whole();
        for (start, end) in [(0, 0), (65_563, 65_564), (1, whole.len() - 2), (whole.len() - 1, whole.len() - 1)] {
            let request = http.get(&format!("/api/transfers/download/{}", sample.id));
            let request = request.bearer_auth(crate::harness::DOWNLOAD_TOKEN);
            let reply = crate::harness::Reply::to(request.header("range", format!("bytes={start}-{end}"))).await.ok();
            assert_eq!(reply.status, 206);
            assert_eq!(reply.body, whole[start..=end], "{start} to {end} on {}", objects.store.name);
        }
    }
}
