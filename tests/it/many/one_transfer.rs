//! One transfer goes up through three servers while they are killed in turns: nothing acknowledged is lost.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use haulier_wire::api::UploadStatus;
use tokio::sync::Notify;

use super::{Fleet, is_soak};
use crate::harness::{Http, Reply, Sample, random_bytes};

const CHUNK: u64 = 1 << 20;
const IN_FLIGHT: usize = 8;
/// Rounds, chunks in each, kills in each.
const SHORT: (u32, u32, u32) = (1, 64, 1);
const SOAK: (u32, u32, u32) = (20, 1024, 5);

/// A chunk is tried so often, by one server after the other.
const TRIES: usize = 60;

/// What an upload has come to.
#[derive(Default)]
struct Progress {
    acknowledged: RefCell<BTreeSet<u32>>,
    /// Chunks from here on wait until the next kill is over.
    gate: Cell<u32>,
    moved: Notify,
    /// Chunks that were acknowledged by the server they were meant for, for each.
    at_home: RefCell<[u32; 3]>,
}

impl Progress {
    async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            // Asked for first, so that no change is missed in between.
            let moved = self.moved.notified();
            if holds() {
                return;
            }
            moved.await;
        }
    }
}

#[tokio::test]
async fn a_transfer_through_three_servers_survives_their_kills() {
    let (rounds, chunks, kills) = if is_soak() { SOAK } else { SHORT };
    let mut fleet = Fleet::of_three(&[]).await;
    for round in 0..rounds {
        let sample = Sample::new(u64::from(chunks) * CHUNK, CHUNK);
        sample.create(&fleet.http[0]).await.ok();
        let http = fleet.http.clone();
        let progress = Progress::default();
        let step = chunks / (kills + 1);
        progress.gate.set(step + step / 2);
        let uploading =
            stream::iter(0..chunks).for_each_concurrent(IN_FLIGHT, |index| upload(&http, &sample, index, &progress));
        let killing = kill_in_turns(&mut fleet, &sample, &progress, kills, step);
        tokio::join!(uploading, killing);
        assert_eq!(progress.acknowledged.borrow().len(), chunks as usize);
        let at_home = progress.at_home.take();
        assert!(at_home.iter().all(|count| *count > chunks / 32), "all three took part: {at_home:?}");

        // What a server knows it has from the database: all of them say the same.
        for http in &fleet.http {
            let status: UploadStatus = sample.status(http).await.ok().json();
            assert_eq!((status.stored_chunks, status.missing.len()), (chunks, 0), "each counted once");
        }
        let one = round as usize % 3;
        sample.complete(&fleet.http[one]).await.ok();
        for other in [one + 1, one + 2] {
            download(&fleet.http[other % 3], &sample).await;
        }
        sample.delete(&fleet.http[one]).await.ok();
        fleet.objects.are_soon(&[]).await;
    }
}

/// Uploads a chunk through its server, or through the next one when that is away.
async fn upload(http: &[Http], sample: &Sample, index: u32, progress: &Progress) {
    progress.until(|| index < progress.gate.get()).await;
    let body = sample.chunk(index, 0);
    for server in (index as usize..).take(TRIES) {
        let Ok(reply) = Reply::try_to(sample.put_request(&http[server % 3], index, body.clone())).await else {
            // Refused, or broken off in the middle.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        match reply.status.as_u16() {
            200 | 201 => {
                if server == index as usize {
                    progress.at_home.borrow_mut()[server % 3] += 1;
                }
                progress.acknowledged.borrow_mut().insert(index);
                return progress.moved.notify_waiters();
            }
            _ => panic!("chunk {index}: {reply:?}"),
        }
    }
    panic!("chunk {index} was not taken in {TRIES} tries");
}

/// Kills and starts again, now this server, now that one, at random moments of the upload.
async fn kill_in_turns(fleet: &mut Fleet, sample: &Sample, progress: &Progress, kills: u32, step: u32) {
    for kill in 0..kills {
        let [random, pause] = random_bytes(2)[..] else { unreachable!("two bytes") };
        let moment = kill * step + 1 + u32::from(random) % step;
        progress.until(|| progress.acknowledged.borrow().len() >= moment as usize).await;
        let victim = usize::from(random) % 3;
        fleet.servers[victim].kill();
        let acknowledged = progress.acknowledged.borrow().clone();
        tokio::time::sleep(Duration::from_millis(pause.into())).await;
        nothing_is_lost(&fleet.http[(victim + 1) % 3], sample, &acknowledged).await;

        let address = fleet.servers[victim].address().to_owned();
        let (server, _) = fleet.server(victim, &address).await;
        fleet.servers[victim] = server;
        assert!(progress.acknowledged.borrow().len() < sample.layout.total_chunks() as usize, "in mid-upload");
        let next = (kill + 2) * step + step / 2;
        progress.gate.set(if kill + 1 == kills { u32::MAX } else { next });
        progress.moved.notify_waiters();
    }
}

async fn nothing_is_lost(http: &Http, sample: &Sample, acknowledged: &BTreeSet<u32>) {
    let status: UploadStatus = sample.status(http).await.ok().json();
    assert!(!status.more, "all gaps are listed");
    for index in acknowledged {
        assert!(!status.missing.iter().any(|[first, last]| (*first..=*last).contains(index)), "chunk {index} is lost");
    }
}

/// Every chunk as it was sent.
async fn download(http: &Http, sample: &Sample) {
    stream::iter(0..sample.layout.total_chunks())
        .for_each_concurrent(IN_FLIGHT, |index| async move {
            let reply = sample.get(http, index).await.ok();
            assert!(reply.body == sample.chunk(index, 0), "chunk {index} is not what was sent");
        })
        .await;
}
