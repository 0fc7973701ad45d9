//! Batches gather while the worker is busy, and answer everyone.

use std::sync::{Arc, Mutex};

use super::*;

#[tokio::test]
async fn what_arrives_during_a_commit_is_the_next_batch() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = Arc::clone(&gate);
    let batcher = Arc::new(Batcher::spawn(8, move |items: Vec<u32>| {
        seen.lock().expect("not poisoned").push(items.len());
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("open").forget();
            items.into_iter().map(|item| item * 2).collect()
        }
    }));
    let tasks: Vec<_> = (0..13)
        .map(|item| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { (item, batcher.submit(item).await) })
        })
        .collect();
    // All tasks run until they wait: the first batch is under way, the others fill the queue.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    open.add_permits(100);
    for task in tasks {
        let (item, answer) = task.await.expect("ran");
        assert_eq!(answer, Ok(item * 2));
    }
    let sizes = sizes.lock().expect("not poisoned");
    assert_eq!(sizes.iter().sum::<usize>(), 13);
    assert!(sizes.iter().all(|size| *size <= 8), "{sizes:?}");
    assert!(sizes.len() <= 4, "batches gather: {sizes:?}");
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let batcher = Arc::new(Batcher::spawn(4, |items: Vec<u32>| async move { items }));
    let gone = batcher.submit(1);
    drop(gone);
    assert_eq!(batcher.submit(2).await, Ok(2));
}

#[tokio::test]
async fn a_panic_costs_its_batch_and_no_other() {
    let batcher: Batcher<u32, u32> = Batcher::spawn(4, |items| async move {
        assert!(!items.contains(&13), "on purpose");
        items
    });
    for _ in 0..3 {
        assert_eq!(batcher.submit(13).await, Err(BatchError::Panicked));
        assert_eq!(batcher.submit(1).await, Ok(1));
    }
}

#[tokio::test]
async fn a_panic_before_the_first_await_is_no_other() {
    let mut calls = 0;
    let batcher: Batcher<u32, u32> = Batcher::spawn(4, move |items| {
        calls += 1;
        assert!(calls > 1, "on purpose");
        async { items }
    });
    assert_eq!(batcher.submit(1).await, Err(BatchError::Panicked));
    assert_eq!(batcher.submit(1).await, Ok(1));
}

#[tokio::test]
async fn a_batch_with_too_few_answers_answers_nobody_wrongly() {
    let batcher: Batcher<u32, u32> = Batcher::spawn(4, |_| async { Vec::new() });
    assert_eq!(batcher.submit(1).await, Err(BatchError::Panicked));
}

#[test]
fn a_runtime_that_ends_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let batcher: Batcher<u32, u32> = runtime.block_on(async { Batcher::spawn(4, |items| async { items }) });
    drop(runtime);
    assert_eq!(futures::executor::block_on(batcher.submit(1)), Err(BatchError::Stopped));
}

type Sizes = Arc<Mutex<Vec<usize>>>;

const COMMIT: Duration = Duration::from_millis(40);

/// Commits that take their time, and how many there were.
fn slow() -> (Arc<Batcher<u32, u32>>, Sizes) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let batcher = Batcher::spawn(8, move |items: Vec<u32>| {
        seen.lock().expect("not poisoned").push(items.len());
        async move {
            tokio::time::sleep(COMMIT).await;
            items
        }
    });
    (Arc::new(batcher), sizes)
}

#[tokio::test(start_paused = true)]
async fn those_who_come_back_soon_after_a_commit_are_in_the_next_one() {
    let (batcher, sizes) = slow();
    let callers = (0..8).map(|number| {
        let batcher = Arc::clone(&batcher);
        tokio::spawn(async move {
            // Half of them come in the middle of the others' commit.
            tokio::time::sleep(COMMIT / 2 * (number % 2)).await;
            for _ in 0..10 {
                assert_eq!(batcher.submit(number).await, Ok(number));
                tokio::time::sleep(COMMIT / 8).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("ran");
    }
    // Without the moment in between both halves would go on taking turns: 20 commits of 4.
    let sizes = sizes.lock().expect("not poisoned");
    assert!(sizes.len() <= 12, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_single_caller_never_waits_for_company() {
    let (batcher, _) = slow();
    let begun = Instant::now();
    for item in 0..10 {
        assert_eq!(batcher.submit(item).await, Ok(item));
    }
    assert_eq!(begun.elapsed(), 10 * COMMIT);
}

#[tokio::test(start_paused = true)]
async fn company_that_does_not_come_is_waited_for_a_moment_and_once() {
    let (batcher, sizes) = slow();
    let (one, other) = tokio::join!(batcher.submit(1), batcher.submit(2));
    assert_eq!((one, other), (Ok(1), Ok(2)));
    assert_eq!(*sizes.lock().expect("not poisoned"), [2]);
    let begun = Instant::now();
    assert_eq!(batcher.submit(3).await, Ok(3));
    assert_eq!(begun.elapsed(), COMMIT + COMMIT / PAUSE_PART);
    assert_eq!(batcher.submit(4).await, Ok(4));
    assert_eq!(begun.elapsed(), 2 * COMMIT + COMMIT / PAUSE_PART);
}
