//! The window bounds bytes, whatever the size of a chunk.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

async fn waits(window: &Window, len: u64) -> bool {
    timeout(Duration::from_millis(20), window.acquire(len)).await.is_err()
}

#[tokio::test]
async fn bytes_in_use_never_exceed_the_window() {
    let window = Window::new(4 << 20, 100);
    let first = window.acquire((2 << 20) + 28).await;
    let second = window.acquire((2 << 20) + 28).await;
    assert!(waits(&window, 1).await);
    drop(first);
    let _third = window.acquire(2 << 20).await;
    assert!(waits(&window, 1).await);
    drop(second);
    assert!(!waits(&window, 1).await);
}

#[tokio::test]
async fn chunks_in_use_never_exceed_the_parallelism() {
    let window = Window::new(4 << 20, 2);
    let _first = window.acquire(10).await;
    let second = window.acquire(10).await;
    assert!(waits(&window, 10).await);
    drop(second);
    assert!(!waits(&window, 10).await);
}

#[tokio::test]
async fn a_share_lives_as_long_as_the_last_reference() {
    let window = Window::new(1 << 20, 8);
    let mut buffer = window.acquire(1 << 20).await;
    buffer.vec().extend_from_slice(b"abc");
    let bytes = buffer.into_bytes();
    let slice = bytes.slice(1..2);
    drop(bytes);
    assert!(waits(&window, 1).await);
    assert_eq!(&slice[..], b"b");
    drop(slice);
    assert!(!waits(&window, 1).await);
}

#[tokio::test]
async fn a_chunk_larger_than_the_window_still_goes_through_alone() {
    let window = Window::new(1 << 10, 8);
    let mut buffer = window.acquire(1 << 20).await;
    assert!(buffer.vec().capacity() >= 1 << 20);
    assert!(waits(&window, 1).await);
}

#[tokio::test]
async fn buffers_are_used_again() {
    let window = Window::new(1 << 20, 1);
    let mut buffer = window.acquire(1 << 20).await;
    buffer.vec().extend_from_slice(b"abc");
    let address = buffer.vec().as_ptr();
    drop(buffer);
    let mut again = window.acquire(1 << 20).await;
    assert_eq!(again.vec().as_ptr(), address);
}

/// How many lanes can be entered at once.
async fn lanes(window: &Window) -> usize {
    let mut held = Vec::new();
    while let Ok(lane) = timeout(Duration::from_millis(20), window.lane()).await {
        held.push(lane);
    }
    held.len()
}

#[tokio::test]
async fn broken_connections_halve_the_lanes_down_to_one() {
    let window = Window::new(1 << 20, 8);
    let mut found = vec![lanes(&window).await];
    for _ in 0..4 {
        window.lane().await.broken();
        found.push(lanes(&window).await);
    }
    assert_eq!(found, [8, 4, 2, 1, 1]);
}

#[tokio::test]
async fn connections_that_break_together_count_once() {
    let window = Window::new(1 << 20, 8);
    let mut together = Vec::new();
    for _ in 0..8 {
        together.push(window.lane().await);
    }
    let eighth = together.pop().unwrap();
    eighth.broken();
    assert_eq!(lanes(&window).await, 0, "seven are in use, four would be allowed");
    together.into_iter().for_each(Lane::broken);
    assert_eq!(lanes(&window).await, 4);
    window.lane().await.broken();
    assert_eq!(lanes(&window).await, 2);
}

#[tokio::test]
async fn each_full_round_of_deliveries_opens_one_more_lane() {
    let window = Window::new(1 << 20, 4);
    window.lane().await.broken();
    window.lane().await.broken();
    let mut found = Vec::new();
    for _ in 0..9 {
        window.lane().await.delivered();
        found.push(lanes(&window).await);
    }
    assert_eq!(found, [2, 2, 3, 3, 3, 4, 4, 4, 4]);
}

#[tokio::test]
async fn lanes_that_open_while_too_many_are_in_use_are_not_lost() {
    let window = Window::new(1 << 20, 4);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(window.lane().await);
    }
    held.pop().unwrap().broken();
    held.pop().unwrap().delivered();
    held.pop().unwrap().delivered();
    drop(held);
    assert_eq!(lanes(&window).await, 3);
}
