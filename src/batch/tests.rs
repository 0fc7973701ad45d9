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
