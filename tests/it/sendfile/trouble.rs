//! Files that shrink, readers that go away, readers that stop.

use std::path::Path;
use std::time::Instant;

use futures::future::join_all;
use haulier_wire::ProblemType;

use super::*;

#[tokio::test]
async fn a_chunk_cut_short_under_way_breaks_the_connection() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(32 * MIB, 32 * MIB);
    sample.send(&http).await;
    // The second request must never be answered: its answer would be taken for the rest of the first.
    let mut stream = narrow(&server, &[get(&sample, ""), get(&sample, "")].concat()).await;
    assert!(head(&mut stream).await.contains(&format!("content-length: {}\r\n", 32 * MIB + 28)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let path = server.chunk_path(sample.id.as_str(), 0);
    std::fs::File::options().write(true).open(path).expect("opens").set_len(100).expect("cut");
    let got = rest(&mut stream).await;
    assert!(got.len() as u64 > 0 && (got.len() as u64) < 32 * MIB, "{} bytes", got.len());
    // Pages on their way are the file's own: cutting it may empty them. But nothing else is ever sent.
    let is_own = got.iter().zip(sample.chunk(0, 0)).all(|(got, own)| *got == own || *got == 0);
    assert!(is_own, "nothing but the chunk's own bytes");
    sample.get(&http, 0).await.is(ProblemType::Internal);
}

/// How many descriptors of the server are open on files below a folder.
fn open_files(server: &Server, below: &Path) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("descriptors");
    descriptors
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(below)))
        .count()
}

#[tokio::test]
async fn readers_that_go_away_leave_nothing() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_MAX_REQUESTS", "8"));
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let chunks = server.data_dir().join("blobs/transfers");
    for _ in 0..5 {
        let readers = join_all((0..8).map(|_| async {
            let mut stream = narrow(&server, &get(&sample, "")).await;
            head(&mut stream).await;
            stream
        }));
        let readers = readers.await;
        assert_eq!(open_files(&server, &chunks), 8);
        sample.get(&http, 0).await.is(ProblemType::Unavailable);
        drop(readers);
        eventually("files are closed", || open_files(&server, &chunks) == 0).await;
    }
    assert!(sample.get(&http, 0).await.ok().body == sample.chunk(0, 0));
}

#[tokio::test]
async fn readers_that_stop_hold_up_nobody() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(8 * MIB, 8 * MIB);
    sample.send(&http).await;
    let stalled = join_all((0..300).map(|_| async {
        let mut stream = narrow(&server, &get(&sample, "")).await;
        head(&mut stream).await;
        stream
    }))
    .await;
    let begun = Instant::now();
    let other = Sample::new(65_536, 65_536);
    other.send(&http).await;
    assert_eq!(other.get(&http, 0).await.ok().body, other.chunk(0, 0));
    assert!(sample.get(&http, 0).await.ok().body == sample.chunk(0, 0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a status");
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("a line");
    assert!(threads.trim().parse::<u32>().expect("a number") < 120, "{threads} threads");
    drop(stalled);
}
