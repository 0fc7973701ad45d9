//! Again while it may help, and no longer.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::entropy::SystemEntropy;

fn retry() -> Retry {
    Retry::new(Arc::new(SystemEntropy))
}

fn away() -> Failure {
    Failure::Away(anyhow::anyhow!("reset"))
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_until_it_works() {
    let (retry, tries) = (retry(), AtomicU32::new(0));
    let answer = retry.ask(|| async {
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err(away()),
            1 => Err(Failure::Overloaded(anyhow::anyhow!("503"))),
            tried => Ok(tried),
        }
    });
    assert_eq!(answer.await.expect("works at last"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_stays_is_tried_once() {
    for failure in [|| Failure::Absent, || Failure::Full, || Failure::Refused(anyhow::anyhow!("403"))] {
        let (retry, tries) = (retry(), AtomicU32::new(0));
        let answer = retry.ask(|| async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(failure())
        });
        assert!(answer.await.is_err());
        assert_eq!(tries.into_inner(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn hope_ends_in_time_and_silence_counts_as_failure() {
    let begun = Instant::now();
    let answer = retry().ask(|| async { Err::<(), _>(away()) }).await;
    assert!(answer.is_err_and(|failure| failure.may_pass()));
    assert!(begun.elapsed() <= HOPE && begun.elapsed() >= HOPE / 2, "{:?}", begun.elapsed());

    let begun = Instant::now();
    let answer = retry().ask(std::future::pending::<Result<(), Failure>>).await;
    assert!(answer.is_err_and(|failure| failure.may_pass()));
    assert!(begun.elapsed() <= 2 * SILENCE + HOPE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_again_is_not() {
    let tries = AtomicU32::new(0);
    let once = |_| async {
        tries.fetch_add(1, Ordering::Relaxed);
        Err::<(), _>(away())
    };
    assert!(retry().repeat(once, || false).await.is_err());
    assert_eq!(tries.into_inner(), 1);
}

#[test]
fn pauses_grow_and_differ() {
    let retry = retry();
    for attempt in 0..20 {
        let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
        let pauses: Vec<Duration> = (0..20).map(|_| retry.pause(attempt)).collect();
        assert!(pauses.iter().all(|pause| *pause >= longest / 2 && *pause <= longest), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }
}
