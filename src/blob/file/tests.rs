//! Pieces come in order, from memory or from the disk, and a piece that somebody holds is never written over.

use std::path::PathBuf;

use futures::TryStreamExt as _;

use super::*;

const LEN: usize = 5 * (64 << 10) + 7;

fn content() -> Vec<u8> {
    (0..LEN).map(|at| u8::try_from(at % 251).expect("below 256")).collect()
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("file");
    std::fs::write(&path, content()).expect("written");
    path
}

fn opened(path: &std::path::Path, range: Range<u64>) -> ByteStream {
    FilePart { file: File::open(path).expect("opens"), range }.into_stream()
}

/// Takes the file out of the page cache, where the file system can.
fn evict(path: &std::path::Path) {
    let file = File::open(path).expect("opens");
    file.sync_all().expect("synced");
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advised");
}

#[tokio::test]
async fn held_pieces_add_up_to_the_file_cached_or_not() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = file(&folder);
    for is_cached in [true, false] {
        for (start, end) in [(0, LEN), (1, LEN - 1), (65_535, 65_537), (LEN - 1, LEN), (3, 3)] {
            if !is_cached {
                evict(&path);
            }
            let pieces: Vec<Bytes> =
                opened(&path, start as u64..end as u64).try_collect().await.expect("read to the end");
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() as u64 <= PIECE_BYTES));
            assert_eq!(pieces.concat(), content()[start..end], "{start} to {end}, cached: {is_cached}");
        }
    }
}

#[tokio::test]
async fn the_memory_of_a_piece_that_is_gone_is_used_again() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut stream = opened(&file(&folder), 0..LEN as u64);
    let first = stream.try_next().await.expect("read").expect("a piece").as_ptr();
    let second = stream.try_next().await.expect("read").expect("a piece").as_ptr();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_file_that_became_shorter_breaks_the_stream() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = file(&folder);
    let mut stream = opened(&path, 0..LEN as u64);
    stream.try_next().await.expect("read").expect("a piece");
    File::options().write(true).open(&path).expect("opens").set_len(100).expect("cut");
    assert_eq!(stream.try_next().await.expect_err("broken").kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(stream.try_next().await.expect("ended"), None);
}
