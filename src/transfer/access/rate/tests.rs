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

/// As many as are remembered, each of whom owes a minute.
fn full() -> (Rates<usize>, Instant) {
    let (rates, now) = (Rates::new(Some(Rate { requests: 1, per: seconds(60) })), Instant::now());
    for who in 0..MAX_REMEMBERED {
        assert_eq!(rates.take(who, now), Ok(()));
    }
    (rates, now)
}

fn remembered(rates: &Rates<usize>) -> usize {
    rates.paid_off.lock().expect("not poisoned").len()
}

#[test]
fn whoever_owes_nothing_is_forgotten_first() {
    let (rates, now) = full();
    assert!(rates.take(0, now).is_err());
    assert_eq!(remembered(&rates), MAX_REMEMBERED);
    assert_eq!(rates.take(MAX_REMEMBERED, now + seconds(61)), Ok(()));
    assert_eq!(remembered(&rates), 1);
}

#[test]
fn of_a_crowd_that_owes_the_half_that_owes_most_stays() {
    let (rates, now) = full();
    let later = now + seconds(59);
    for who in MAX_REMEMBERED..MAX_REMEMBERED + 100 {
        assert_eq!(rates.take(who, later), Ok(()));
    }
    assert_eq!(remembered(&rates), MAX_REMEMBERED / 2 + 100);
    for who in MAX_REMEMBERED + 100..2 * MAX_REMEMBERED {
        assert_eq!(rates.take(who, later), Ok(()));
        assert!(remembered(&rates) <= MAX_REMEMBERED);
    }
    let late = (MAX_REMEMBERED..MAX_REMEMBERED + 100).filter(|who| rates.take(*who, later).is_err()).count();
    assert!(late > 0, "nobody of the late ones is known any more");
}
