//! Files that share chunks, span chunks, and hold nothing.

use haulier_format::ByteLen;

use super::*;

fn tally(sizes: &[u64]) -> Tally {
    let mut offset = 0;
    let files: Vec<FileEntry> = sizes
        .iter()
        .enumerate()
        .map(|(index, size)| {
            let file = FileEntry {
                path: index.to_string(),
                size: *size,
                offset,
                content_type: "text/plain".into(),
                mtime: None,
            };
            offset += size;
            file
        })
        .collect();
    Tally::new(&files, &ChunkLayout::new(ByteLen::new(offset).unwrap(), 65_536).unwrap())
}

#[test]
fn a_file_is_whole_with_its_last_chunk_in_any_order() {
    // Chunk 0: all of the first file, a piece of the second; chunks 1 and 2: the rest of it; chunk 2 ends in the third.
    let sizes = [100, 150_000, 0, 20_000];
    for (order, expected) in [([0, 1, 2], [1, 0, 2]), ([2, 1, 0], [1, 0, 2]), ([1, 0, 2], [0, 1, 2])] {
        let mut tally = tally(&sizes);
        assert_eq!(tally.empty_files(), 1);
        assert_eq!(order.map(|index| tally.arrived(index)), expected, "{order:?}");
    }
}

#[test]
fn thousands_of_files_in_one_chunk_are_whole_at_once() {
    let mut tally = tally(&[7; 9_000]);
    assert_eq!(tally.empty_files(), 0);
    assert_eq!(tally.arrived(0), 9_000);
}
