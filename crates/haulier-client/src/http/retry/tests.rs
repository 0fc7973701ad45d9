//! Waiting grows, is jittered, and ends.

use std::sync::atomic::{AtomicU32, Ordering};

use haulier_wire::Timestamp;
use rand_core::{TryCryptoRng, TryRng};

use super::*;
use crate::progress::Silent;

struct Fixed(u64);

impl TryRng for Fixed {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn retry(random: u64) -> Retry {
    let ambient = Ambient::new(Fixed(random), || Timestamp::UNIX_EPOCH);
    Retry::new(RetryPolicy::default(), ambient, Arc::new(Silent))
}

fn again() -> CallError {
    CallError::Again { reason: "down".into(), after: None }
}

#[test]
fn waits_double_up_to_the_longest_and_use_the_whole_range() {
    let policy = RetryPolicy::default();
    for (failures, ceiling_ms) in
        [(1, 250), (2, 500), (3, 1_000), (7, 16_000), (8, 30_000), (40, 30_000), (4_000, 30_000)]
    {
        assert_eq!(policy.delay(failures, u64::MAX), Duration::from_millis(ceiling_ms), "{failures}");
        assert_eq!(policy.delay(failures, u64::MAX / 2).as_millis() / 2, ceiling_ms as u128 / 4, "{failures}");
        assert_eq!(policy.delay(failures, 0), Duration::ZERO, "{failures}");
    }
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_ends_in_success() {
    let calls = AtomicU32::new(0);
    let call = async || if calls.fetch_add(1, Ordering::Relaxed) < 3 { Err(again()) } else { Ok(5) };
    let retry = retry(u64::MAX);
    let answer = until_final!(retry, call());
    assert_eq!(answer, Ok(5));
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

async fn down() -> Result<(), CallError> {
    Err(again())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_soon() {
    let started = Instant::now();
    let retry = retry(u64::MAX);
    assert_eq!(until_final!(retry, down()), Err(again()));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_once_answered_is_given_ten_minutes() {
    let retry = retry(u64::MAX);
    retry.met();
    let started = Instant::now();
    assert_eq!(until_final!(retry, down()), Err(again()));
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_secs(550) && elapsed <= Duration::from_secs(600), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn patience_begins_with_the_first_failure() {
    let retry = retry(u64::MAX);
    retry.met();
    let calls = AtomicU32::new(0);
    let call = async || {
        sleep(Duration::from_secs(3_600)).await;
        if calls.fetch_add(1, Ordering::Relaxed) == 0 { Err(again()) } else { Ok(()) }
    };
    assert_eq!(until_final!(retry, call()), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_out() {
    let started = Instant::now();
    let calls = AtomicU32::new(0);
    let retry = retry(0);
    retry.met();
    let busy = || CallError::Again { reason: "busy".into(), after: Some(Duration::from_secs(9)) };
    let call = async || if calls.fetch_add(1, Ordering::Relaxed) == 0 { Err(busy()) } else { Ok(()) };
    assert_eq!(until_final!(retry, call()), Ok(()));
    assert!(started.elapsed() >= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_is_waited_for_also_at_the_first_contact() {
    let calls = AtomicU32::new(0);
    let busy = || CallError::Again { reason: "429".into(), after: Some(Duration::from_secs(36)) };
    let call = async || if calls.fetch_add(1, Ordering::Relaxed) < 3 { Err(busy()) } else { Ok(5) };
    let first = retry(u64::MAX);
    assert_eq!(until_final!(first, call()), Ok(5));
    // Not for ever: that somebody is there is no success.
    let started = Instant::now();
    let retry = retry(u64::MAX);
    let never = async || Err::<(), _>(busy());
    assert_eq!(until_final!(retry, never()), Err(busy()));
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_secs(500) && elapsed <= Duration::from_secs(600), "{elapsed:?}");
}
