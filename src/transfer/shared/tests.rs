//! A crowd asks twice: once for whoever was first, and once for all who came meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn a_crowd_costs_two_questions_and_nobody_gets_an_old_answer() {
    let (shared, asked) = (Shared::default(), AtomicU32::new(0));
    let question = async || {
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        number
    };
    let answers = join_all((0..100).map(|_| shared.ask(question()))).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(answers.iter().filter(|answer| **answer == 1).count(), 1, "only the first may take the first answer");
    assert_eq!(shared.ask(question()).await, 3, "what was answered before is not asked again for");
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_question_to_the_next() {
    let shared = Shared::default();
    let never = tokio::time::timeout(Duration::from_millis(10), shared.ask(std::future::pending())).await;
    assert!(never.is_err());
    assert_eq!(shared.ask(async { 7 }).await, 7);
}
