//! Which files and chunks a path stands for, and where they go.

use haulier_format::{ByteLen, Metadata};

use super::*;

const CHUNK: u64 = 64 << 10;

/// Files of these sizes, in units of half a chunk.
fn metadata(name: &str, halves: &[(&str, u64)]) -> (Metadata, ChunkLayout) {
    let mut offset = 0;
    let entry = |(path, halves): &(&str, u64)| {
        let size = halves * CHUNK / 2;
        let file = FileEntry { path: (*path).into(), size, offset, content_type: "t".into(), mtime: Some(7) };
        offset += size;
        file
    };
    let files: Vec<FileEntry> = halves.iter().map(entry).collect();
    let layout = ChunkLayout::new(ByteLen::new(offset).unwrap(), CHUNK).unwrap();
    let metadata = Metadata {
        name: name.into(),
        content_type: "t".into(),
        file_size: offset,
        chunk_size: CHUNK,
        total_chunks: layout.total_chunks(),
        iv_prefix: [1; 8],
        files,
        message: None,
    };
    (metadata, layout)
}

fn trip() -> (Metadata, ChunkLayout) {
    // Chunks:            0, 1                none          1, 2              3                  4 to 6
    metadata("trip", &[("a.txt", 3), ("empty", 0), ("d/b.txt", 2), ("d/e/c.txt", 3), ("z.bin", 6)])
}

fn select(only: &[&str]) -> Result<Selection, Error> {
    let (metadata, layout) = trip();
    Selection::of(&metadata, &layout, &only.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn summary(only: &[&str]) -> (String, bool, Vec<String>, Vec<Range<u32>>) {
    let selection = select(only).unwrap();
    (selection.name, selection.folder, selection.pieces.into_iter().map(|piece| piece.path).collect(), selection.chunks)
}

fn expected(
    name: &str,
    folder: bool,
    paths: &[&str],
    chunks: &[(u32, u32)],
) -> (String, bool, Vec<String>, Vec<Range<u32>>) {
    (
        name.into(),
        folder,
        paths.iter().map(ToString::to_string).collect(),
        chunks.iter().map(|(first, end)| *first..*end).collect(),
    )
}

#[test]
fn without_a_path_it_is_all() {
    let all = expected("trip", true, &["a.txt", "empty", "d/b.txt", "d/e/c.txt", "z.bin"], &[(0, 7)]);
    assert_eq!(summary(&[]), all);
    assert_eq!(select(&[]).unwrap().size(), 7 * CHUNK);
}

#[test]
fn a_path_is_a_file_or_a_folder_of_files() {
    assert_eq!(summary(&["a.txt"]), expected("a.txt", false, &["a.txt"], &[(0, 2)]));
    assert_eq!(summary(&["d/b.txt"]), expected("b.txt", false, &["d/b.txt"], &[(1, 3)]));
    assert_eq!(summary(&["empty"]), expected("empty", false, &["empty"], &[]));
    assert_eq!(summary(&["d"]), expected("d", true, &["b.txt", "e/c.txt"], &[(1, 4)]));
    assert_eq!(summary(&["d/"]), expected("d", true, &["b.txt", "e/c.txt"], &[(1, 4)]));
    assert_eq!(summary(&["d/e"]), expected("e", true, &["c.txt"], &[(2, 4)]));
}

#[test]
fn several_paths_are_a_folder_with_all_of_them_in_order() {
    let both = expected("trip", true, &["a.txt", "z.bin"], &[(0, 2), (4, 7)]);
    assert_eq!(summary(&["z.bin", "a.txt"]), both);
    assert_eq!(summary(&["z.bin", "a.txt", "z.bin"]), both);
    assert_eq!(summary(&["a.txt", "a.txt"]), expected("a.txt", false, &["a.txt"], &[(0, 2)]));
    assert_eq!(summary(&["d", "d/b.txt"]), expected("trip", true, &["d/b.txt", "d/e/c.txt"], &[(1, 4)]));
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    for path in ["b.txt", "d/b", "d/b.txt/x", "D", "", "/", "/a.txt", "./a.txt", "trip", "d//", ".."] {
        assert!(matches!(select(&[path]), Err(Error::NoSuchPath { .. })), "{path:?}");
        assert!(matches!(select(&["a.txt", path]), Err(Error::NoSuchPath { .. })), "{path:?}");
    }
}

#[test]
fn a_single_file_in_folders_can_become_the_folder() {
    let (metadata, layout) = metadata("photos/2026/a.jpg", &[("photos/2026/a.jpg", 1)]);
    let file = Selection::of(&metadata, &layout, &[]).unwrap();
    assert!(!file.folder);
    let folder = file.into_folder_of_one();
    assert_eq!((folder.name.as_str(), folder.folder, folder.pieces[0].path.as_str()), ("photos", true, "2026/a.jpg"));
    let alone = Selection::of(&metadata, &layout, &["photos/2026/a.jpg".to_owned()]).unwrap().into_folder_of_one();
    assert_eq!((alone.name.as_str(), alone.folder), ("a.jpg", false));
}

#[test]
fn every_byte_of_a_chunk_has_its_place() {
    let (metadata, layout) = trip();
    let pieces = Selection::of(&metadata, &layout, &[]).unwrap().pieces;
    let half = usize::try_from(CHUNK / 2).unwrap();
    let places: Vec<_> =
        overlaps(&pieces, CHUNK, 2 * half).map(|(_, place, from, bytes)| (place, from, bytes)).collect();
    assert_eq!(places, [(0, CHUNK, 0..half), (2, 0, half..2 * half)]);
    let covered: usize =
        (0..7).flat_map(|chunk| overlaps(&pieces, chunk * CHUNK, 2 * half)).map(|(.., bytes)| bytes.len()).sum();
    assert_eq!(covered as u64, 7 * CHUNK);
    assert_eq!(overlaps(&pieces, 0, 0).count(), 0);
}
