//! Where a transfer lands.

use haulier_format::FileEntry;
use tempfile::tempdir;

use super::*;

fn file(path: &str, offset: u64, size: u64) -> FileEntry {
    FileEntry { path: path.into(), size, offset, content_type: "text/plain".into(), mtime: None }
}

fn metadata(files: Vec<FileEntry>) -> Metadata {
    Metadata {
        name: "name".into(),
        content_type: "text/plain".into(),
        file_size: 0,
        chunk_size: 65_536,
        total_chunks: 1,
        iv_prefix: [1; 8],
        files,
        message: None,
    }
}

#[test]
fn the_target_is_what_was_asked_for_or_the_senders_name() {
    let dir = tempdir().unwrap();
    assert_eq!(choose(None, "a b.txt"), PathBuf::from("a b.txt"));
    assert_eq!(choose(None, "x/y/a.txt"), PathBuf::from("a.txt"));
    assert_eq!(choose(Some(dir.path().into()), "a.txt"), dir.path().join("a.txt"));
    assert_eq!(choose(Some(dir.path().join("new")), "a.txt"), dir.path().join("new"));
}

#[test]
fn one_file_is_a_file_and_several_are_a_folder() {
    assert_eq!(shape(None), Shape::File);
    assert_eq!(shape(Some(&metadata(vec![file("a", 0, 5)]))), Shape::File);
    let Shape::Folder(pieces) = shape(Some(&metadata(vec![file("a", 0, 5), file("d/A", 5, 2), file("d/a", 7, 1)])))
    else {
        panic!("folder")
    };
    let places: Vec<_> = pieces.iter().map(|piece| (piece.path.to_str().unwrap(), piece.offset, piece.size)).collect();
    assert_eq!(places, [("a", 0, 5), ("d/A", 5, 2), ("d/a (2)", 7, 1)]);
}
