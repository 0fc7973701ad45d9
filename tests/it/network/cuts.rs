//! Connections that are cut, again and again, and a network that goes away and comes back.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::{CHUNKS, Journey, WINDOW};
use crate::harness::{Action, Haulier, random_bytes, sha256_of};

/// Bad Wi-Fi, scaled down: the 8 chunks that share it need 125 ms, and every second everything is cut.
const BYTES_PER_SECOND: u64 = 4 << 20;
const PERIOD: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_upload_whose_connections_are_all_cut_again_and_again_completes() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.proxy.cut_every(PERIOD);
    let (link, _) = journey.send().await;
    let cuts = journey.proxy.cuts();
    assert!(cuts >= 3, "the network was bad");
    journey.travelled_twice_at_most(usize::try_from(cuts).expect("few") * WINDOW);
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_download_whose_connections_are_all_cut_again_and_again_completes() {
    let journey = Journey::begin().await;
    let (link, _) = journey.send().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.proxy.cut_every(PERIOD);
    journey.arrives(&link).await;
    let cuts = usize::try_from(journey.proxy.cuts()).expect("few");
    assert!(cuts >= 3, "the network was bad");
    let gets = journey.proxy.record().whole_gets();
    let twice = gets.values().sum::<usize>() - gets.len();
    assert!(gets.len() == CHUNKS && twice <= cuts * WINDOW, "{twice} chunks travelled again in {cuts} cuts");
}

#[tokio::test]
async fn a_chunk_that_breaks_off_is_asked_for_again() {
    let journey = Journey::begin().await;
    let (link, _) = journey.send().await;
    let asked = Mutex::new(BTreeSet::new());
    journey.proxy.on(move |request| {
        let is_first = request.is("GET", "/chunk/") && asked.lock().expect("not poisoned").insert(request.path.clone());
        if is_first { Action::CutAnswerAfter(40_000) } else { Action::Pass }
    });
    journey.arrives(&link).await;
    let gets = journey.proxy.record().whole_gets();
    assert_eq!(gets.len(), CHUNKS);
    assert!(gets.values().all(|times| *times == 1), "each to its end once: {gets:?}");
}

#[tokio::test]
async fn a_network_that_goes_away_and_comes_back_is_waited_for() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND * 2);
    let send = journey.send();
    let outage = async {
        journey.chunks_left(CHUNKS / 2).await;
        journey.proxy.away(Duration::from_secs(3)).await;
    };
    let ((link, _), ()) = tokio::join!(send, outage);
    journey.travelled_twice_at_most(WINDOW);

    let reader = Haulier::new();
    let target = reader.home().join("a.out");
    let get = reader.get(&link, &target);
    let outage = async {
        journey.chunks_came(CHUNKS / 2).await;
        journey.proxy.away(Duration::from_secs(3)).await;
    };
    let (_, ()) = tokio::join!(get, outage);
    assert!(std::fs::read(&target).expect("there") == std::fs::read(&journey.path).expect("there"));
}

#[tokio::test]
async fn chunks_that_cannot_pass_all_at_once_pass_a_few_at_a_time() {
    let journey = Journey::begin().await;
    // Eight chunks of 1 MiB need two seconds together, and one alone a quarter.
    journey.proxy.limit(4 << 20);
    journey.proxy.cut_every(Duration::from_millis(900));
    let path = journey.path.to_str().expect("UTF-8");
    let output = journey.haulier.run(["send", path, "--to", journey.proxy.url(), "--chunk-size", "1MiB"]).await;
    let (link, _) = super::told(&output);
    assert_eq!(journey.transfers().len(), 1, "no new transfer was needed");
    journey.arrives(&link).await;
}

#[tokio::test]
async fn where_not_even_one_chunk_passes_smaller_ones_do() {
    let journey = Journey::begin().await;
    let path = journey.haulier.file("large.bin", &random_bytes(64 << 20));
    // A chunk of 8 MiB needs half a second, and never has it; one of 960 KiB needs a sixteenth.
    journey.proxy.limit(16 << 20);
    journey.proxy.cut_every(Duration::from_millis(350));
    let output = journey.haulier.run(["send", path.to_str().expect("UTF-8"), "--to", journey.proxy.url()]).await;
    let (link, says) = super::told(&output);
    assert!(says.contains("The network breaks before a chunk is through"), "{says}");
    assert_eq!(journey.transfers().len(), 2, "other chunks, other keys");
    journey.proxy.record().assert_sealed_once();
    let target = journey.haulier.home().join("large.out");
    journey.haulier.get(&link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
}
