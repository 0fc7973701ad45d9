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
