//! The line at every width: what matters least goes first, and nothing is wider than the terminal.

use haulier_client::progress::{Event, Work};
use haulier_wire::TransferId;

use super::*;

fn started(files: u32) -> Event {
    Event::Started {
        transfer_id: TransferId::from_random_bytes([1; 16]),
        sealed_bytes: 10 << 30,
        present_bytes: 0,
        total_chunks: 1_280,
        files,
    }
}

/// 40% of 10 GiB, at 100 MiB/s for the last 5 s, 8 chunks under way.
fn under_way(files: u32, begun: Instant) -> (Count, Instant) {
    let mut count = Count::default();
    count.on(&started(files), begun);
    count.on(&Event::Moved((4 << 30) - (500 << 20)), begun);
    for _ in 0..8 {
        count.on(&Event::ChunkStarted, begun);
    }
    count.sample(begun + Duration::from_secs(1));
    let now = begun + Duration::from_secs(6);
    count.on(&Event::Moved(500 << 20), now);
    count.sample(now);
    (count, now)
}

#[test]
fn the_bar_takes_the_room_that_is_left() {
    let (count, now) = under_way(1, Instant::now());
    for (columns, expected) in [
        (110, "Sending  40% [############--------------------]  4.00 of 10.00 GiB  100 MiB/s  1:01 left  8 in flight"),
        (80, "Sending  40% [####------]  4.00 of 10.00 GiB  100 MiB/s  1:01 left  8 in flight"),
        (70, "Sending  40%  4.00 of 10.00 GiB  100 MiB/s  1:01 left  8 in flight"),
        (58, "Sending  40%  4.00 of 10.00 GiB  100 MiB/s  1:01 left"),
        (46, "Sending  40% [###-----]  100 MiB/s  1:01 left"),
        (33, "Sending  40%  1:01 left"),
        (20, "Sending  40%"),
        (8, "Send..."),
        (3, ".."),
        (0, ""),
    ] {
        let line = line(&count, "Sending", now, columns);
        assert!(line.chars().count() < columns.max(1), "{columns}: {line}");
        assert!(line.starts_with(expected.split('[').next().unwrap()), "{columns}: {line}");
        if !expected.contains('[') || columns == 80 {
            assert_eq!(line, expected, "{columns}");
        }
    }
}

#[test]
fn files_and_retries_are_told_when_there_is_more_than_one_or_any() {
    let (mut count, now) = under_way(1_000, Instant::now());
    for _ in 0..12 {
        count.on(&Event::FileDone, now);
    }
    count.on(&Event::Retry { reason: "timed out".into(), delay: Duration::from_secs(9) }, now);
    let text = line(&count, "Sending", now, 120);
    assert!(text.ends_with("1:01 left  12/1000 files  8 in flight  1 retry"), "{text}");
    let text = line(&count, "Sending", now, 80);
    assert_eq!(text, "Sending  40%  4.00 of 10.00 GiB  100 MiB/s  1:01 left  12/1000 files  1 retry");
}

#[test]
fn a_standstill_says_why_and_for_how_long_and_goes_away() {
    let (mut count, now) = under_way(1, Instant::now());
    count.on(&Event::Retry { reason: "connection refused".into(), delay: Duration::from_secs(12) }, now);
    assert!(!line(&count, "Sending", now, 80).contains("refused"), "others still move");
    for (seconds, expected) in [
        (2, "Sending  40%  trying again in 10 s: connection refused"),
        (11, "Sending  40%  trying again in 1 s: connection refused"),
        (14, "Sending  40%  trying again: connection refused"),
    ] {
        assert_eq!(line(&count, "Sending", now + Duration::from_secs(seconds), 80), expected);
    }
    let later = now + Duration::from_secs(15);
    count.sample(later);
    count.on(&Event::Moved(1), later);
    assert!(line(&count, "Sending", later, 80).contains("4.00 of 10.00 GiB"));
}

#[test]
fn what_happens_before_and_after_the_travel() {
    let now = Instant::now();
    let mut count = Count::default();
    let refused = Event::Retry { reason: "connection refused".into(), delay: Duration::from_secs(3) };
    count.on(&refused, now);
    assert_eq!(line(&count, "Getting", now, 80), "Getting, trying again in 3 s: connection refused");
    count.on(&Event::Waiting, now);
    count.on(&Event::Moved(0), now);
    assert_eq!(line(&count, "Getting", now, 80), "Getting, the sender is still uploading");
    count.on(&Event::Prepared { work: Work::Spooling, bytes: 1 << 30 }, now);
    assert_eq!(line(&count, "Sending", now, 80), "Sending, reading the input: 1.00 GiB");
    count.on(&started(1), now);
    count.on(&Event::Finishing, now);
    assert_eq!(line(&count, "Sending", now, 80), "Sending 100%  finishing");
}
