//! So many at once, then as many as the rate allows; each for themselves.

use super::*;

const RATE: Rate = Rate { requests: 4, per: Duration::from_secs(8) };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_burst_then_one_at_a_time() {
    let (rates, begun) = (Rates::new(Some(RATE)), Instant::now());
    for _ in 0..4 {
        assert_eq!(rates.take("a", begun), Ok(()));
    }
    assert_eq!(rates.take("a", begun), Err(seconds(2)));
    assert_eq!(rates.take("b", begun), Ok(()), "somebody else");
    assert_eq!(rates.take("a", begun + seconds(1)), Err(seconds(1)), "what was refused did not count");
    assert_eq!(rates.take("a", begun + seconds(2)), Ok(()));
    assert_eq!(rates.take("a", begun + seconds(2)), Err(seconds(2)));
    // After a pause as many as at first, and not more.
    for _ in 0..4 {
        assert_eq!(rates.take("a", begun + seconds(1000)), Ok(()));
    }
    assert!(rates.take("a", begun + seconds(1000)).is_err());
    // A moment before the last one counts as the same.
    assert!(rates.take("a", begun).is_err());
}

#[test]
fn without_a_rate_everything_passes() {
    let rates = Rates::new(None);
    let now = Instant::now();
    assert!((0..10_000).all(|_| rates.take((), now).is_ok()));
}

#[test]
fn what_is_remembered_is_bounded() {
    let (rates, now) = (Rates::new(Some(Rate { requests: 1, per: seconds(60) })), Instant::now());
    for who in 0..MAX_REMEMBERED {
        assert_eq!(rates.take(who, now), Ok(()));
    }
    assert!(rates.take(0, now).is_err());
    assert_eq!(rates.paid_off.lock().expect("not poisoned").len(), MAX_REMEMBERED);
    // Whoever owes more stays.
    let later = now + seconds(59);
    assert_eq!(rates.take(MAX_REMEMBERED, later), Ok(()));
    for who in 0..100 {
        assert!(rates.take(MAX_REMEMBERED + 1 + who, later).is_ok());
    }
    let left = rates.paid_off.lock().expect("not poisoned").len();
    assert!((MAX_REMEMBERED / 2..=MAX_REMEMBERED / 2 + 101).contains(&left), "{left}");
    assert!(rates.take(MAX_REMEMBERED, later).is_err(), "the latest of all is known");
    assert_eq!(rates.take(MAX_REMEMBERED, now + seconds(120)), Ok(()));
    assert_eq!(rates.paid_off.lock().expect("not poisoned").len(), 1);
}
