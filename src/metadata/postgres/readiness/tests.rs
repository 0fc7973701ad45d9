//! What a slow answer, none, and a bad one make of readiness.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::sleep;

use super::*;

/// Answers after so many seconds, and counts how often it was asked.
fn after(seconds: u64, answer: Answer, asked: &Arc<AtomicU32>) -> impl Future<Output = Answer> + Send + 'static {
    let asked = Arc::clone(asked);
    async move {
        asked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_secs(seconds)).await;
        answer
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_no_at_first_and_then_holds() {
    let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
    let slowly = || after(3, Ok(()), &asked);
    let begun = Instant::now();
    assert!(readiness.ask(slowly()).await.is_err(), "nothing is known");
    assert_eq!(begun.elapsed().as_secs(), 2);
    // The question went on, and this is its answer.
    assert!(readiness.ask(slowly()).await.is_ok());
    assert_eq!((begun.elapsed().as_secs(), asked.load(Ordering::Relaxed)), (3, 1));
    for _ in 0..50 {
        let begun = Instant::now();
        assert!(readiness.ask(slowly()).await.is_ok());
        assert!(begun.elapsed().as_secs() <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_share_a_question() {
    let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
    let answers = futures::future::join_all((0..10).map(|_| readiness.ask(after(1, Ok(()), &asked)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    readiness.ask(after(0, Ok(()), &asked)).await.expect("well");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "an answer that was given is not given again");
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_ends_it_at_once() {
    let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
    readiness.ask(after(0, Ok(()), &asked)).await.expect("well");
    assert!(readiness.ask(after(1, no_answer(), &asked)).await.is_err());
    // And what was before it does not stand any more.
    assert!(readiness.ask(after(3, Ok(()), &asked)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_when_its_question_ends() {
    let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
    let silence = || after(5, no_answer(), &asked);
    readiness.ask(after(0, Ok(()), &asked)).await.expect("well");
    let begun = Instant::now();
    while readiness.ask(silence()).await.is_ok() {}
    assert_eq!(begun.elapsed().as_secs(), 5);
    for _ in 0..5 {
        assert!(readiness.ask(silence()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_well_long_ago_says_nothing() {
    let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
    readiness.ask(after(0, Ok(()), &asked)).await.expect("well");
    sleep(STANDS).await;
    assert!(readiness.ask(after(3, Ok(()), &asked)).await.is_err());
}

#[tokio::test]
async fn a_question_that_panics_is_asked_again() {
    let readiness = Readiness::default();
    assert!(readiness.ask(async { panic!("of a question") }).await.is_err());
    readiness.ask(async { Ok(()) }).await.expect("well");
}
