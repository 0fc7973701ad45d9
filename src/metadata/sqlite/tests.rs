//! SQLite keeps the contract, and keeps it across restarts.

use std::sync::atomic::{AtomicU32, Ordering};

use super::super::contract;
use super::*;

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let number = AtomicU32::new(0);
    contract::run(|| {
        let path = folder.path().join(format!("{}.sqlite", number.fetch_add(1, Ordering::Relaxed)));
        async move { SqliteStore::open(&path).await.expect("opens") }
    })
    .await;
}

#[tokio::test]
async fn syncs_every_commit() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    let row = sqlx::query("PRAGMA synchronous")
        .fetch_one(&mut *store.writer.acquire().await.expect("a connection"))
        .await
        .expect("answers");
    assert_eq!(row.get::<i64, _>(0), 2, "FULL: a commit is durable when it returns");
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *store.writer.acquire().await.expect("a connection"))
        .await
        .expect("answers");
    assert_eq!(row.get::<String, _>(0), "wal");
}

const NORMAL: i64 = 1;
const FULL: i64 = 2;

async fn synchronous(connection: &mut SqliteConnection) -> i64 {
    let row = sqlx::query("PRAGMA synchronous").fetch_one(connection).await.expect("answers");
    row.get(0)
}

fn chunk_record(step: Step) -> ChunkRecord {
    let new = contract::new_transfer(1);
    ChunkRecord {
        transfer_id: new.transfer.id,
        index: ChunkIndex::MIN,
        blake3: [1; 32],
        sha256: None,
        len: 28,
        step,
        now: new.transfer.created_at,
        upload_expires_at: new.transfer.upload_expires_at,
    }
}

#[test]
fn only_reservations_alone_are_durable_later() {
    let (reserve, store) = (chunk_record(Step::Reserve), chunk_record(Step::Store));
    assert_eq!(durable(&[reserve.clone(), reserve.clone()]), Durable::WithTheNext);
    for batch in [vec![store.clone()], vec![reserve.clone(), store.clone()], vec![store, reserve]] {
        assert_eq!(durable(&batch), Durable::AtCommit, "{batch:?}");
    }
}

#[tokio::test]
async fn every_commit_after_reservations_is_synced_again() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    store.create(&contract::new_transfer(1)).await.expect("created");
    // More than once: a pragma takes effect while it is compiled, and what is compiled may be kept.
    for _ in 0..3 {
        let mut tx = store.begin_with(Durable::WithTheNext).await.expect("begins");
        assert_eq!(synchronous(&mut tx).await, NORMAL);
        tx.commit().await.expect("commits");
        assert_eq!(synchronous(&mut store.writer.acquire().await.expect("free")).await, FULL);
        store.record(&[chunk_record(Step::Reserve)]).await.expect("recorded");
        assert_eq!(synchronous(&mut store.writer.acquire().await.expect("free")).await, FULL);
        let mut tx = store.begin().await.expect("begins");
        assert_eq!(synchronous(&mut tx).await, FULL);
        tx.commit().await.expect("commits");
    }
}

#[tokio::test]
async fn reservations_that_fail_leave_no_writer_without_syncs() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    store.create(&contract::new_transfer(1)).await.expect("created");
    drop(store.begin_with(Durable::WithTheNext).await.expect("begins"));
    assert_eq!(synchronous(&mut store.writer.acquire().await.expect("free")).await, FULL, "given up");

    let mut writer = store.writer.acquire().await.expect("free");
    sqlx::query("ALTER TABLE chunks RENAME TO elsewhere").execute(&mut *writer).await.expect("renamed");
    drop(writer);
    store.record(&[chunk_record(Step::Reserve)]).await.expect_err("there is no such table");
    assert_eq!(synchronous(&mut store.writer.acquire().await.expect("free")).await, FULL, "failed");

    // A COMMIT that is refused: sqlx reports it, and the connection goes.
    let mut tx = store.begin_with(Durable::WithTheNext).await.expect("begins");
    sqlx::raw_sql("ROLLBACK").execute(&mut *tx).await.expect("rolled back");
    tx.commit().await.expect_err("nothing to commit");
    assert_eq!(synchronous(&mut store.writer.acquire().await.expect("free")).await, FULL, "not committed");
}

#[tokio::test]
async fn opens_again_what_it_wrote() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("a.sqlite");
    let id = TransferId::from_random_bytes([1; 16]);
    for _ in 0..2 {
        let store = SqliteStore::open(&path).await.expect("opens");
        assert!(store.transfer(id).await.expect("reads").is_none());
        store.close().await;
    }
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    assert!(
        sqlx::query("DELETE FROM transfers")
            .execute(&mut *store.readers.acquire().await.expect("a connection"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_at_any_moment_leaves_the_writer_usable() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
    for polls in 0..200_u16 {
        let mut new = contract::new_transfer(1);
        new.transfer.id = id_of(polls, 1);
        let mut create = Box::pin(store.create(&new));
        for _ in 0..polls {
            if futures::poll!(&mut create).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(create);

        new.transfer.id = id_of(polls, 2);
        store.create(&new).await.expect("the writer still works");
        assert!(store.transfer(new.transfer.id).await.expect("reads").is_some(), "what was answered is committed");
    }
}

fn id_of(polls: u16, part: u8) -> TransferId {
    let mut bytes = [part; 16];
    bytes[..2].copy_from_slice(&polls.to_be_bytes());
    TransferId::from_random_bytes(bytes)
}
