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
async fn a_dead_worker_is_an_error() {
    let batcher: Batcher<u32, u32> = Batcher::spawn(4, |_| async { panic!("on purpose") });
    assert_eq!(batcher.submit(1).await, Err(Stopped));
    assert_eq!(batcher.submit(1).await, Err(Stopped));
}
