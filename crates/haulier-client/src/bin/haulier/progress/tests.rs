//! What is counted, and when it is told.

use haulier_client::progress::Work;
use haulier_wire::TransferId;

use super::count::Phase;
use super::*;

fn started(sealed_bytes: u64, present_bytes: u64) -> Event {
    let transfer_id = TransferId::from_random_bytes([1; 16]);
    Event::Started { transfer_id, sealed_bytes, present_bytes, total_chunks: 10, files: 1 }
}

#[test]
fn the_speed_is_that_of_the_last_seconds() {
    let begun = Instant::now();
    let at = |tenths: u32| begun + BEAT * tenths;
    let mut count = Count::default();
    count.on(&started(1 << 30, 0), begun);
    // 10 s at 1 MB/s, then nothing.
    for tenth in 1..=100 {
        count.on(&Event::Moved(100_000), at(tenth));
        count.sample(at(tenth));
    }
    assert!((950_000..=1_050_000).contains(&count.bytes_per_second(at(100))));
    for tenth in 101..=160 {
        count.sample(at(tenth));
    }
    assert_eq!((count.bytes_per_second(at(160)), count.seconds_left(at(160))), (0, None));
}

#[test]
fn what_an_earlier_run_brought_counts_as_done_and_not_as_speed() {
    let begun = Instant::now();
    let mut count = Count::default();
    count.on(&started(1_000, 400), begun);
    count.sample(begun + Duration::from_secs(1));
    assert_eq!((count.done_bytes(), count.percent()), (400, 40));
    assert_eq!(count.bytes_per_second(begun + Duration::from_secs(1)), 0);
    count.on(&Event::Moved(300), begun);
    count.on(&Event::TakenBack(100), begun);
    assert_eq!((count.done_bytes(), count.percent()), (700, 70), "it never runs backwards");
    count.on(&Event::Moved(150), begun);
    assert_eq!(count.done_bytes(), 750);
    count.on(&Event::Moved(u64::MAX >> 2), begun);
    assert_eq!(count.percent(), 100);
}

#[test]
fn what_an_earlier_run_brought_and_was_worth_nothing_is_not_done() {
    let begun = Instant::now();
    let mut count = Count::default();
    count.on(&started(1_000, 400), begun);
    count.on(&Event::Moved(100), begun);
    count.on(&Event::TakenBack(350), begun);
    assert_eq!(count.done_bytes(), 250, "100 that moved once, and 150 of the 400");
}

#[test]
fn bytes_into_dead_connections_are_a_standstill() {
    let begun = Instant::now();
    let at = |seconds: u64| begun + Duration::from_secs(seconds);
    let mut count = Count::default();
    count.on(&started(1 << 30, 0), begun);
    count.on(&Event::Moved(500), at(1));
    for second in 2..20 {
        count.on(&Event::TakenBack(400), at(second));
        count.on(&Event::Retry { reason: "reset".into(), delay: TOLD_DELAY }, at(second));
        count.on(&Event::Moved(390), at(second));
        count.on(&Event::TakenBack(390), at(second));
        count.on(&Event::Moved(400), at(second));
        count.sample(at(second));
    }
    assert_eq!(count.bytes_per_second(at(19)), 0);
    assert_eq!(count.standstill(at(19)).map(|wait| wait.reason.as_str()), Some("reset"));
    count.on(&Event::Moved(101), at(20));
    assert!(count.standstill(at(20)).is_none());
}

#[test]
fn a_new_start_forgets_all_but_the_retries() {
    let now = Instant::now();
    let mut count = Count::default();
    count.on(&Event::Prepared { work: Work::Checking, bytes: 7 }, now);
    assert_eq!((count.phase, count.done_bytes()), (Phase::Preparing(Work::Checking), 7));
    count.on(&started(100, 0), now);
    count.on(&Event::ChunkStarted, now);
    count.on(&Event::Moved(50), now);
    count.on(&Event::Retry { reason: "x".into(), delay: TOLD_DELAY }, now);
    count.on(&started(200, 0), now);
    assert_eq!((count.done_bytes(), count.in_flight, count.retries), (0, 0, 1));
    assert!(count.standstill(now).is_none());
}

#[test]
fn eight_connections_that_fail_at_once_are_one_line() {
    struct Told(Arc<Mutex<Vec<String>>>);
    impl Show for Told {
        fn tick(&mut self, _: &Count, _: Instant) {}
        fn every(&self, _: Duration) -> Duration {
            BEAT
        }
        fn retry(&mut self, reason: &str, _: Duration) {
            self.0.lock().unwrap().push(reason.to_owned());
        }
        fn notice(&mut self, _: &Notice) {}
    }
    let told = Arc::new(Mutex::new(vec![]));
    let mut inner = Inner::new(Box::new(Told(Arc::clone(&told))));
    let begun = inner.begun;
    let retry = |reason: &str, millis| Event::Retry { reason: reason.into(), delay: Duration::from_millis(millis) };
    for (seconds, reason, millis) in [
        (0, "short", 900),
        (0, "a", 1_000),
        (0, "a", 1_000),
        (1, "b", 1_000),
        (4, "b", 1_000),
        (8, "b", 1_000),
        (40, "b", 1_000),
    ] {
        inner.on(&retry(reason, millis), begun + Duration::from_secs(seconds));
    }
    assert_eq!(*told.lock().unwrap(), ["a", "b", "b"]);
}

#[test]
fn logs_of_long_runs_stay_short() {
    let lines = lines::Lines { verb: "Sending" };
    for (ran, every) in [(0, 5), (59, 5), (60, 30), (599, 30), (600, 60), (100_000, 60)] {
        assert_eq!(lines.every(Duration::from_secs(ran)).as_secs(), every, "{ran}");
    }
}

#[test]
fn only_terminals_that_can_redraw_get_a_bar() {
    for (term, expected) in [(Some("xterm-256color"), true), (Some("dumb"), false), (Some(""), false), (None, false)] {
        assert_eq!(steers(term), expected, "{term:?}");
    }
}

#[test]
fn sizes_and_times() {
    for (done, total, expected) in [
        (0, 0, "0 of 0 B"),
        (1, 1_023, "1 of 1023 B"),
        (512, 1_024, "0.50 of 1.00 KiB"),
        (5 << 30, 10 << 40, "0.00 of 10.00 TiB"),
        (u64::MAX, u64::MAX, "16383.99 of 16383.99 PiB"),
    ] {
        assert_eq!(words::bytes_of(done, total), expected);
    }
    for (seconds, expected) in [(0, "0:00"), (59, "0:59"), (725, "12:05"), (11_045, "3:04:05"), (190_800, "2 d 5 h")] {
        assert_eq!(words::clock(seconds), expected);
    }
}

#[test]
fn a_path_that_would_steer_the_terminal_is_named_instead() {
    let path = std::path::PathBuf::from("/a\u{1b}[31m\u{202e}/b");
    for notice in [Notice::Kept { path: path.clone() }, Notice::NotOurs { path }] {
        let said = words::notice(&notice);
        assert!(said.contains("/a\\u{1b}[31m\\u{202e}/b"), "{said}");
    }
}
