//! Answers that are lost: the chunk is there, and does not travel again.

use std::collections::BTreeSet;
use std::sync::Mutex;

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
