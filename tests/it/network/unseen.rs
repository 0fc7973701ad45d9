//! Answers that are lost: the chunk is there, and does not travel again.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{CHUNKS, Journey};
use crate::harness::Action;

impl Journey {
    /// Asserts that the server holds, under every index, exactly what left under it: nobody compared the answers' BLAKE3.
    fn holds_what_left(&self) {
        let mut compared = BTreeSet::new();
        for exchange in self.proxy.record().all().iter().filter(|one| one.request.method == "PUT" && one.is_whole) {
            let (id, index) = exchange.chunk().expect("only chunks are PUT");
            let stored = std::fs::read(self.server.chunk_path(&id, index)).expect("stored");
            assert_eq!(blake3::hash(&stored), blake3::hash(&exchange.body), "chunk {index}");
            compared.insert(index);
        }
        assert_eq!(compared.len(), CHUNKS);
    }
}

#[tokio::test]
async fn a_chunk_whose_answer_was_lost_does_not_travel_again() {
    let journey = Journey::begin().await;
    let asked = Mutex::new(BTreeSet::new());
    journey.proxy.on(move |request| {
        let is_first = request.is("PUT", "/chunk/") && asked.lock().expect("not poisoned").insert(request.path.clone());
        if is_first { Action::CutAnswerAfter(1) } else { Action::Pass }
    });
    let (link, _) = journey.send().await;
    journey.travelled_twice_at_most(0);
    journey.holds_what_left();
    journey.arrives(&link).await;
}

/// The sender dies while every answer is held back; the next run seals again what was on its way, and sends none of it.
#[tokio::test]
async fn chunks_that_arrived_without_their_sender_are_taken_for_stored() {
    let journey = Journey::begin().await;
    journey.proxy.on(|request| if request.is("PUT", "/chunk/") { Action::CutAnswerAfter(1) } else { Action::Pass });
    journey.send_killed_after(CHUNKS / 2).await;
    journey.proxy.on(|_| Action::Pass);
    let (link, _) = journey.send().await;
    journey.travelled_twice_at_most(0);
    journey.holds_what_left();
    journey.arrives(&link).await;
}

/// The first answer is older than the chunk's arrival, as it is for what the dead sender's machine still had to send.
#[tokio::test]
async fn a_chunk_that_arrives_while_the_next_run_begins_does_not_travel_again() {
    let journey = Journey::begin().await;
    journey.proxy.limit(16 << 20);
    journey.send_killed_after(CHUNKS / 2).await;
    let is_told = AtomicBool::new(false);
    journey.proxy.on(move |request| {
        if !request.is("GET", "/upload/") || is_told.swap(true, Ordering::Relaxed) {
            return Action::Pass;
        }
        Action::edit(|status| status["missing"].as_array_mut().expect("ranges").insert(0, json!([0, 0])))
    });
    let (link, _) = journey.send().await;
    let puts = journey.proxy.record().whole_puts();
    assert_eq!(puts.iter().filter(|((_, index), _)| *index == 0).map(|(_, times)| *times).collect::<Vec<_>>(), [1]);
    journey.holds_what_left();
    journey.arrives(&link).await;
}
