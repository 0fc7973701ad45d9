//! Two servers are given one index: one of them wins, and the third reads the winner's bytes.

use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use super::{Fleet, is_soak};
use crate::harness::Sample;

/// Indices raced for at the same time.
const AT_ONCE: usize = 8;

/// For each size of chunk.
fn rounds() -> u32 {
    if is_soak() { 500 } else { 100 }
}

#[tokio::test]
async fn different_bytes_through_two_servers_get_one_winner() {
    let fleet = Fleet::of_three(&[]).await;
    // Some are gathered whole, some are already on their way when they lose.
    for chunk_size in [65_536, 1 << 20] {
        let sample = Sample::new(u64::from(rounds()) * chunk_size, chunk_size);
        sample.create(&fleet.http[0]).await.ok();
        let races = stream::iter(0..rounds()).map(|index| race(&fleet, &sample, index));
        let winners: Vec<u8> = races.buffered(AT_ONCE).collect().await;
        assert!(winners.contains(&1) && winners.contains(&2), "{winners:?}");
        sample.complete(&fleet.http[1]).await.ok();
        stream::iter((0..rounds()).zip(winners))
            .for_each_concurrent(AT_ONCE, |(index, winner)| winner_stays(&fleet, &sample, index, winner))
            .await;
    }
}

/// The servers of a race, each in each part: the first two get the chunk, the third reads it.
fn roles(index: u32) -> [usize; 3] {
    let first = index as usize % 3;
    [first, (first + 1) % 3, (first + 2) % 3]
}

/// Which bytes won.
async fn race(fleet: &Fleet, sample: &Sample, index: u32) -> u8 {
    let [first, second, _] = roles(index).map(|server| &fleet.http[server]);
    let replies = tokio::join!(sample.put(first, index, 1), sample.put(second, index, 2));
    match (replies.0.status.as_u16(), replies.1.status.as_u16()) {
        (201, 409) => 1,
        (409, 201) => 2,
        _ => panic!("chunk {index}: {replies:?}"),
    }
}

async fn winner_stays(fleet: &Fleet, sample: &Sample, index: u32, winner: u8) {
    let [first, second, reader] = roles(index).map(|server| &fleet.http[server]);
    let expected = sample.chunk(index, winner);
    assert!(sample.get(reader, index).await.ok().body == expected, "chunk {index} is not the winner's");
    let stored = fleet.objects.bytes(&format!("transfers/{}/chunks/{index}", sample.id)).await;
    assert!(stored == expected, "object {index} is not the winner's");
    for http in [first, second] {
        assert_eq!(sample.put(http, index, winner).await.status, 200);
        sample.put(http, index, 3 - winner).await.is(ProblemType::ChunkConflict);
    }
}

#[tokio::test]
async fn equal_bytes_through_two_servers_both_succeed() {
    let fleet = Fleet::of_three(&[]).await;
    for chunk_size in [65_536, 1 << 20] {
        let sample = Sample::new(40 * chunk_size, chunk_size);
        sample.create(&fleet.http[0]).await.ok();
        for index in 0..40 {
            let [first, second, _] = roles(index).map(|server| &fleet.http[server]);
            let replies = tokio::join!(sample.put(first, index, 0), sample.put(second, index, 0));
            let mut statuses = [replies.0.status.as_u16(), replies.1.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 201], "chunk {index}");
        }
        let status: UploadStatus = sample.status(&fleet.http[2]).await.ok().json();
        assert_eq!(status.stored_chunks, 40, "each counted once");
        sample.complete(&fleet.http[2]).await.ok();
        for index in 0..40 {
            let [.., reader] = roles(index).map(|server| &fleet.http[server]);
            assert!(sample.get(reader, index).await.ok().body == sample.chunk(index, 0), "chunk {index}");
        }
    }
}
