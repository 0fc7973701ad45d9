//! Halving on trouble, growing back, and never losing a place.

use super::*;

const SOON: Duration = Duration::from_millis(10);

fn overloaded() -> Result<(), Failure> {
    Err(Failure::silent("no answer"))
}

/// How many places can be taken at once.
async fn places(pressure: &Arc<Pressure>) -> usize {
    let mut held = Vec::new();
    while let Ok(place) = pressure.enter(SOON).await {
        held.push(place);
    }
    held.len()
}

#[tokio::test(start_paused = true)]
async fn trouble_halves_once_per_event_down_to_a_few() {
    let pressure = Pressure::new();
    assert_eq!(places(&pressure).await, MOST);
    for expected in [256, 128, 64, 32, 16, 8, 4, 4] {
        for _ in 0..10 {
            pressure.learn(&overloaded());
        }
        assert_eq!(places(&pressure).await, expected);
        tokio::time::advance(ONE_EVENT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_good_round_adds_one() {
    let pressure = Pressure::new();
    for _ in 0..7 {
        pressure.learn(&overloaded());
        tokio::time::advance(ONE_EVENT).await;
    }
    for expected in [5, 6, 7] {
        for _ in 0..expected - 1 {
            assert_eq!(places(&pressure).await, expected - 1);
            pressure.learn(&Ok(()));
        }
        assert_eq!(places(&pressure).await, expected);
    }
    for _ in 0..MOST * MOST {
        pressure.learn::<()>(&Err(Failure::Absent));
    }
    assert_eq!(places(&pressure).await, MOST, "and no more than there were");
}

#[tokio::test(start_paused = true)]
async fn places_that_are_taken_are_owed() {
    let pressure = Pressure::new();
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(pressure.enter(SOON).await.expect("a place"));
    }
    pressure.learn(&overloaded());
    held.truncate(256);
    assert!(pressure.enter(SOON).await.is_err(), "all 256 are taken");
    held.truncate(250);
    assert_eq!(places(&pressure).await, 6);
    drop(held);
    assert_eq!(places(&pressure).await, 256);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_not_one_that_asks_for_less() {
    let pressure = Pressure::new();
    pressure.learn::<()>(&Err(Failure::Away(anyhow::anyhow!("refused"))));
    assert_eq!(places(&pressure).await, MOST);
}
