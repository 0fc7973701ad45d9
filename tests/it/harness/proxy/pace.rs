//! A bandwidth: so many bytes a second, shared by all connections.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// One direction's bandwidth; unlimited at first.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: AtomicU64,
    free_at: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { bytes_per_second: AtomicU64::new(0), free_at: Mutex::new(Instant::now()) }
    }

    pub(super) fn set(&self, bytes_per_second: u64) {
        self.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Waits until so many bytes may pass. They are taken at once, so that connections queue up fairly.
    pub(super) async fn take(&self, bytes: usize) {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        if rate == 0 {
            return;
        }
        let turn = {
            let mut free_at = self.free_at.lock().expect("not poisoned");
            let turn = Instant::now().max(*free_at);
            *free_at = turn + Duration::from_micros(bytes as u64 * 1_000_000 / rate);
            turn
        };
        sleep_until(turn).await;
    }
}
