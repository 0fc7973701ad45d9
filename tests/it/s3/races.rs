//! Two writers never corrupt, on stores that overwrite whatever is there.

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use crate::harness::{Http, Sample};

use super::{Objects, everywhere};

/// Indices raced for at the same time.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn different_bytes_for_one_index_get_one_winner_a_thousand_times() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        // Some are gathered whole, some are already on their way when they lose.
        race(&objects, &http, &Sample::new(900 * 65_536, 65_536)).await;
        race(&objects, &http, &Sample::new(100 << 20, 1 << 20)).await;
    }
}

async fn race(objects: &Objects, http: &Http, sample: &Sample) {
    sample.create(http).await.ok();
    let races = stream::iter(0..sample.layout.total_chunks()).map(|index| async move {
        let replies = join_all([sample.put(http, index, 1), sample.put(http, index, 2)]).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        match statuses[..] {
            [201, 409] => (index, 1),
            [409, 201] => (index, 2),
            _ => panic!("chunk {index} on {}: {statuses:?}", objects.store.name),
        }
    });
    let winners: Vec<(u32, u8)> = races.buffer_unordered(AT_ONCE).collect().await;
    assert!(winners.iter().any(|(_, winner)| *winner == 1) && winners.iter().any(|(_, winner)| *winner == 2));

    sample.complete(http).await.ok();
    stream::iter(winners)
        .for_each_concurrent(AT_ONCE, |(index, winner)| async move {
            let expected = sample.chunk(index, winner);
            let stored = objects.bytes(&format!("transfers/{}/chunks/{index}", sample.id)).await;
            assert!(stored == expected, "chunk {index} on {}: not the winner's", objects.store.name);
            assert_eq!(sample.get(http, index).await.ok().body, expected);
            sample.put(http, index, 3 - winner).await.is(ProblemType::ChunkConflict);
        })
        .await;
}

#[tokio::test]
async fn equal_bytes_for_one_index_all_succeed() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        let sample = Sample::new(40 << 20, 1 << 20);
        sample.create(&http).await.ok();
        for index in 0..40 {
            let replies = join_all((0..4).map(|_| sample.put(&http, index, 0))).await;
            let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 200, 200, 201], "chunk {index} on {}", objects.store.name);
        }
        let status: UploadStatus = sample.status(&http).await.ok().json();
        assert_eq!(status.stored_chunks, 40, "each counted once");
        sample.complete(&http).await.ok();
    }
}

#[tokio::test]
async fn deletion_while_chunks_arrive_leaves_no_object() {
    for objects in everywhere() {
        let (_server, http) = objects.serve().await;
        for _ in 0..10 {
            let sample = Sample::new(8 << 20, 1 << 20);
            sample.create(&http).await.ok();
            let uploads = join_all((0..8).map(|index| sample.put(&http, index, 0)));
            let (uploads, deleted) = tokio::join!(uploads, sample.delete(&http));
            deleted.ok();
            for upload in uploads {
                assert!(matches!(upload.status.as_u16(), 201 | 410), "{upload:?}");
            }
        }
        objects.are_soon(&[]).await;
    }
}
