//! The local disk keeps the contract, and what is particular to it.

use super::super::contract;
use super::*;

fn staging(root: &Path) -> usize {
    fs::read_dir(root.join("staging")).expect("a folder").count()
}

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    contract::run(&store).await;
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let first = DiskStore::open(folder.path()).expect("opens");
    let error = DiskStore::open(folder.path()).expect_err("locked").to_string();
    assert!(error.contains("another process uses"), "{error}");
    drop(first);
    DiskStore::open(folder.path()).expect("opens once the first is gone");
}

#[tokio::test]
async fn staging_is_emptied_at_start_and_after_every_blob() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let key = BlobKey::Meta(TransferId::from_random_bytes([1; 16]));
    let store = DiskStore::open(folder.path()).expect("opens");
    store.put(key, Bytes::from_static(b"{}")).await.expect("put");
    assert_eq!(staging(folder.path()), 0);
    let staged = store.stage(key, 1).await.expect("staged");
    assert_eq!(staging(folder.path()), 1);
    // As kill -9 leaves it: nothing runs that could clean up.
    std::mem::forget(staged);
    drop(store);
    DiskStore::open(folder.path()).expect("opens");
    assert_eq!(staging(folder.path()), 0);
    assert!(folder.path().join("transfers").join(key.transfer_id().as_str()).join("meta.json").exists());
}

#[tokio::test]
async fn a_dropped_blob_leaves_no_file() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    let mut staged = store.stage(BlobKey::Meta(TransferId::from_random_bytes([1; 16])), 1).await.expect("staged");
    staged.write(Bytes::from(vec![1; 1 << 20])).await.expect("written");
    drop(staged);
    // The removal runs on the blocking pool.
    for _ in 0..200 {
        if staging(folder.path()) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the file stayed");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_the_file_is_made_leaves_none() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("opens");
    let mut went_early = 0;
    for _ in 0..200 {
        let mut caller = Box::pin(store.stage(BlobKey::Meta(TransferId::from_random_bytes([1; 16])), 1));
        // The file is made on another thread, mostly after this one poll.
        went_early += u32::from(futures::poll!(&mut caller).is_pending());
        drop(caller);
    }
    assert!(went_early > 0, "nobody went away in time");
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if staging(folder.path()) == 0 {
            return;
        }
    }
    panic!("{} files stayed", staging(folder.path()));
}

#[test]
fn folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::TempDir::new().expect("a folder");
    let root = folder.path().join("deep").join("root");
    create_folder(&root).expect("made");
    assert_eq!(fs::metadata(&root).expect("there").permissions().mode() & 0o777, 0o700);
}
