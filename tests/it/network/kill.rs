//! Senders and servers that are killed, as kill -9 does: the same command goes on, and only what is missing travels.

use super::{CHUNKS, Journey, WINDOW};
use crate::harness::{Haulier, sha256_of};

/// Slow enough that a kill at half lands at about half.
const BYTES_PER_SECOND: u64 = 16 << 20;

#[tokio::test]
async fn a_sender_that_was_killed_goes_on_where_it_was() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 2).await;
    let (link, says) = journey.send().await;
    assert!(says.contains("Going on where an earlier run stopped"), "{says}");
    assert_eq!(journey.transfers().len(), 1);
    journey.travelled_twice_at_most(WINDOW);
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_sender_that_is_killed_again_and_again_arrives_in_the_end() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    for part in 1..8 {
        journey.send_killed_after(CHUNKS * part / 8).await;
    }
    let (link, _) = journey.send().await;
    assert_eq!(journey.transfers().len(), 1);
    journey.travelled_twice_at_most(7 * WINDOW);
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_gets_the_rest() {
    let mut journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    let sending = journey.start(&journey.haulier);
    journey.chunks_left(CHUNKS / 2).await;
    journey.restart_server();
    let output = tokio::task::spawn_blocking(move || sending.wait_with_output().expect("it ends")).await;
    let (link, _) = super::told(&output.expect("not cancelled"));
    assert_eq!(journey.transfers().len(), 1);
    journey.travelled_twice_at_most(WINDOW);
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_gives_the_rest() {
    let mut journey = Journey::begin().await;
    let (link, _) = journey.send().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    let reader = Haulier::new();
    let mut getting = reader.command(["get", "--quiet", &link, "-o", "a.out"]).spawn().expect("haulier starts");
    journey.chunks_came(CHUNKS / 2).await;
    journey.restart_server();
    let status = tokio::task::spawn_blocking(move || getting.wait().expect("it ends")).await.expect("not cancelled");
    assert!(status.success(), "{status}");
    assert_eq!(sha256_of(&reader.home().join("a.out")), sha256_of(&journey.path));
    let gets = journey.proxy.record().whole_gets();
    let twice = gets.values().sum::<usize>() - gets.len();
    assert!(gets.len() == CHUNKS && twice <= WINDOW, "{twice} chunks came again, at most {WINDOW} may");
}

#[tokio::test]
async fn both_killed_at_once_go_on() {
    let mut journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 2).await;
    journey.restart_server();
    let (link, _) = journey.send().await;
    assert_eq!(journey.transfers().len(), 1);
    journey.travelled_twice_at_most(WINDOW);
    journey.arrives(&link).await;
}
