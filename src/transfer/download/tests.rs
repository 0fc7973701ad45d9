//! Ranges of the whole, cut at the borders of sealed chunks.

use super::*;

fn layout(file_size: u64, chunk_size: u64) -> ChunkLayout {
    ChunkLayout::new(ByteLen::new(file_size).expect("in range"), chunk_size).expect("a layout")
}

fn parts(layout: ChunkLayout, range: Range<u64>) -> Vec<(u32, Range<u64>)> {
    pieces(layout, range).map(|(index, part)| (index.get(), part)).collect()
}

#[test]
fn a_range_of_the_whole_is_cut_at_the_borders_of_sealed_chunks() {
    // Sealed chunks of 1052, 1052 and 128 bytes.
    let layout = layout(2 * 1024 + 100, 1024);
    for (range, expected) in [
        (0..2232, vec![(0, 0..1052), (1, 0..1052), (2, 0..128)]),
        (0..1, vec![(0, 0..1)]),
        (1051..1052, vec![(0, 1051..1052)]),
        (1052..1053, vec![(1, 0..1)]),
        (1051..1053, vec![(0, 1051..1052), (1, 0..1)]),
        (1052..2104, vec![(1, 0..1052)]),
        (100..2105, vec![(0, 100..1052), (1, 0..1052), (2, 0..1)]),
        (2231..2232, vec![(2, 127..128)]),
        (5..5, vec![]),
        (2232..2232, vec![]),
    ] {
        assert_eq!(parts(layout, range.clone()), expected, "{range:?}");
    }
}

#[test]
fn every_range_is_covered_once_and_in_order() {
    for file_size in [0, 1, 1023, 1024, 1025, 3 * 1024, 3 * 1024 + 7] {
        let layout = layout(file_size, 1024);
        let size = layout.sealed_size();
        for start in (0..size).step_by(53) {
            for end in (start + 1..=size).step_by(97).chain([size]) {
                let mut next = start;
                for (index, part) in pieces(layout, start..end) {
                    let offset = layout.sealed_offset(index);
                    assert_eq!(offset + part.start, next, "{file_size}: {start}..{end}");
                    assert!(part.start < part.end && Some(part.end) <= layout.sealed_len(index));
                    next = offset + part.end;
                }
                assert_eq!(next, end, "{file_size}: {start}..{end}");
            }
        }
    }
}

#[test]
fn the_last_byte_of_the_largest_transfer_is_one_step_away() {
    let layout = layout(u64::from(u32::MAX) * 1024, 1024);
    let size = layout.sealed_size();
    assert_eq!(parts(layout, size - 1..size), [(u32::MAX - 1, 1051..1052)]);
}
