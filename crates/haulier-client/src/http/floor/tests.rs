//! What is too little, and what is enough.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_drip_counts_as_a_stall() {
    let mut floor = Floor::new();
    tokio::time::advance(STALL_TIMEOUT).await;
    assert!(floor.judge().is_err(), "nothing came");
    let mut floor = Floor { judged_at: Instant::now(), moved: FLOOR_BYTES };
    assert!(floor.judge().is_ok());
    assert_eq!(floor.judged_at, Instant::now() + FLOOR_SPAN);
    assert!(floor.judge().is_err(), "each span is judged for itself");
}
