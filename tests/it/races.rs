//! Two writers never corrupt: one wins, and what is stored is the winner's.

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;

use crate::harness::{Http, Sample, Server, ServerOptions};

/// Indices raced for at the same time.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn different_bytes_for_one_index_get_one_winner_a_thousand_times() {
    one_winner_a_thousand_times(Server::start()).await;
}

#[tokio::test]
async fn different_bytes_for_one_index_get_one_winner_a_thousand_times_on_postgres() {
    one_winner_a_thousand_times(Server::start_with(ServerOptions::on_postgres())).await;
}

async fn one_winner_a_thousand_times(server: Server) {
    let http = Http::new(&server);
    let sample = Sample::new(1000 * 65536, 65536);
    sample.create(&http).await.ok();

    let races = stream::iter(0..1000).map(|index| {
        let (http, sample) = (&http, &sample);
        async move {
            let replies = join_all([sample.put(http, index, 1), sample.put(http, index, 2)]).await;
            let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
            match statuses[..] {
                [201, 409] => (index, 1),
                [409, 201] => (index, 2),
                _ => panic!("chunk {index}: {statuses:?}"),
            }
        }
    });
    let winners: Vec<(u32, u8)> = races.buffer_unordered(AT_ONCE).collect().await;
    assert!(winners.iter().any(|(_, winner)| *winner == 1) && winners.iter().any(|(_, winner)| *winner == 2));

    sample.complete(&http).await.ok();
    for (index, winner) in winners {
        let expected = sample.chunk(index, winner);
        assert_eq!(std::fs::read(server.chunk_path(sample.id.as_str(), index)).expect("stored"), expected);
        assert_eq!(sample.get(&http, index).await.ok().body, expected);
        // The winner again is harmless, the loser is refused for good.
        assert_eq!(sample.put(&http, index, winner).await.status, 200);
        sample.put(&http, index, 3 - winner).await.is(ProblemType::ChunkConflict);
    }
}

#[tokio::test]
async fn equal_bytes_for_one_index_all_succeed() {
    all_succeed(Server::start()).await;
}

#[tokio::test]
async fn equal_bytes_for_one_index_all_succeed_on_postgres() {
    all_succeed(Server::start_with(ServerOptions::on_postgres())).await;
}

async fn all_succeed(server: Server) {
    let http = Http::new(&server);
    let sample = Sample::new(200 * 65536, 65536);
    sample.create(&http).await.ok();
    for index in 0..200 {
        let replies = join_all((0..4).map(|_| sample.put(&http, index, 0))).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 201], "chunk {index}");
    }
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.stored_chunks, 200, "each counted once");
    assert_eq!(status.stored_bytes.get(), sample.layout.sealed_size());
    sample.complete(&http).await.ok();
}

#[tokio::test]
async fn racing_creates_of_one_id_get_one_winner() {
    one_create_wins(Server::start()).await;
}

#[tokio::test]
async fn racing_creates_of_one_id_get_one_winner_on_postgres() {
    one_create_wins(Server::start_with(ServerOptions::on_postgres())).await;
}

async fn one_create_wins(server: Server) {
    let http = Http::new(&server);
    for _ in 0..50 {
        let sample = Sample::new(65537, 65536);
        let mut other = sample.clone();
        other.layout = Sample::new(5, 65536).layout;
        let replies = join_all([sample.create(&http), other.create(&http), sample.create(&http)]).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert!(matches!(statuses[..], [201, 409, 201] | [409, 201, 409]), "{statuses:?}");
    }
}

#[tokio::test]
async fn racing_completes_agree_on_one_answer() {
    let server = Server::start();
    let http = Http::new(&server);
    for _ in 0..30 {
        let sample = Sample::new(1, 65536);
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();
        let replies = join_all((0..4).map(|_| sample.complete(&http))).await;
        let first = replies[0].body.clone();
        assert!(replies.into_iter().all(|reply| reply.ok().body == first), "one completed_at for all");
    }
}

#[tokio::test]
async fn deletion_while_chunks_arrive_leaves_nothing_readable() {
    let server = Server::start();
    let http = Http::new(&server);
    for _ in 0..20 {
        let sample = Sample::new(8 * 65536, 65536);
        sample.create(&http).await.ok();
        let uploads = join_all((0..8).map(|index| sample.put(&http, index, 0)));
        let (uploads, deleted) = tokio::join!(uploads, sample.delete(&http));
        deleted.ok();
        for upload in uploads {
            assert!(matches!(upload.status.as_u16(), 201 | 410), "{upload:?}");
        }
        sample.put(&http, 0, 0).await.is(ProblemType::TransferDeleted);
        sample.get(&http, 0).await.is(ProblemType::TransferDeleted);
    }
    // The sweep follows each deletion; a late writer cleans up after itself.
    let transfers = server.data_dir().join("blobs/transfers");
    let files = || walk(&transfers).len();
    for _ in 0..100 {
        if files() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("files stayed: {:?}", walk(&transfers));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
