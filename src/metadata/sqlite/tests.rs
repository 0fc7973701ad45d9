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
