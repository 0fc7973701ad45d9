//! What is held back, what is kept, and who waits for whom.

use std::sync::Arc;
use std::time::Duration;

use super::*;

const SOON: Duration = Duration::from_millis(10);

fn block(number: u8) -> Bytes {
    Bytes::from(vec![number; 3])
}

fn is_block(next: &Next, number: u8) -> bool {
    matches!(next, Next::Block(bytes) if *bytes == block(number))
}

/// What comes next, if it comes without anyone doing something.
async fn now(flow: &Flow, number: usize) -> Option<Next> {
    tokio::time::timeout(SOON, flow.next(number, || true)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn the_last_two_blocks_wait_for_their_release() {
    for keeping in [Keeping::Small, Keeping::No] {
        let flow = Flow::new(12, keeping);
        for number in 0..4 {
            flow.push(block(number)).await.expect("taken");
        }
        for number in 0..2 {
            assert!(is_block(&now(&flow, number.into()).await.expect("there"), number));
        }
        assert!(now(&flow, 2).await.is_none(), "held back");
        flow.release(7);
        for number in 2..4 {
            assert!(is_block(&now(&flow, number.into()).await.expect("there"), number));
        }
        assert!(matches!(now(&flow, 4).await, Some(Next::End(7))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_can_be_read_again() {
    let flow = Flow::new(3, Keeping::Small);
    flow.push(block(0)).await.expect("taken");
    flow.release(1);
    for _ in 0..3 {
        assert!(flow.can_begin_again());
        assert!(is_block(&now(&flow, 0).await.expect("there"), 0));
        assert!(matches!(now(&flow, 1).await, Some(Next::End(1))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_bounded_and_read_once() {
    let flow = Arc::new(Flow::new(300, Keeping::No));
    let mut pushed = 0;
    while let Ok(result) = tokio::time::timeout(SOON, flow.push(block(pushed))).await {
        result.expect("taken");
        pushed += 1;
    }
    assert_eq!(usize::from(pushed), MOST_WAITING + HELD_BACK);
    assert!(flow.can_begin_again());
    let writer = tokio::spawn({
        let flow = Arc::clone(&flow);
        async move { flow.push(block(pushed)).await }
    });
    assert!(is_block(&now(&flow, 0).await.expect("there"), 0));
    writer.await.expect("not cancelled").expect("there is room now");
    assert!(!flow.can_begin_again());
    assert!(matches!(now(&flow, 0).await, Some(Next::Cut)), "a second reader gets no half of it");
}

#[tokio::test(start_paused = true)]
async fn a_cut_reaches_a_reader_that_waits_and_a_failure_a_writer_that_waits() {
    let flow = Arc::new(Flow::new(300, Keeping::No));
    let reader = tokio::spawn({
        let flow = Arc::clone(&flow);
        async move { flow.next(0, || true).await }
    });
    tokio::time::sleep(SOON).await;
    flow.cut();
    assert!(matches!(reader.await.expect("not cancelled"), Next::Cut));

    let flow = Arc::new(Flow::new(300, Keeping::No));
    let writer = tokio::spawn({
        let flow = Arc::clone(&flow);
        async move {
            loop {
                if let Err(error) = flow.push(block(0)).await {
                    return error;
                }
            }
        }
    });
    tokio::time::sleep(SOON).await;
    flow.fail(StoreError::Full);
    assert!(matches!(writer.await.expect("not cancelled"), StoreError::Full));
    assert!(flow.check().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_given_up_gets_nothing_more() {
    let flow = Flow::new(3, Keeping::Small);
    flow.push(block(0)).await.expect("taken");
    flow.release(1);
    assert!(matches!(flow.next(0, || false).await, Next::Cut));
}
