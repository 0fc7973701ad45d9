//! The cut of a transfer at the borders of chunks.

use super::*;
use crate::number::MAX_SAFE_INTEGER;

fn layout(file_size: u64, chunk_size: u64) -> Result<ChunkLayout, LayoutError> {
    ChunkLayout::new(ByteLen::new(file_size).expect("in range"), chunk_size)
}

fn index(value: u32) -> ChunkIndex {
    ChunkIndex::new(value).expect("in range")
}

#[test]
fn sizes_around_the_borders_of_chunks() {
    for c in [SEED_MIN_CHUNK_SIZE_BYTES, 65_536, MAX_CHUNK_SIZE_BYTES] {
        // file_size, total_chunks, last_chunk_size
        let cases = [
            (0, 1, 0),
            (1, 1, 1),
            (c - 1, 1, c - 1),
            (c, 1, c),
            (c + 1, 2, 1),
            (2 * c - 1, 2, c - 1),
            (2 * c, 2, c),
            (2 * c + 1, 3, 1),
        ];
        for (file_size, total, last) in cases {
            let layout = layout(file_size, c).expect("a layout");
            assert_eq!((layout.file_size(), u64::from(layout.chunk_size())), (file_size, c));
            assert_eq!((layout.total_chunks(), u64::from(layout.last_chunk_size())), (total, last), "{file_size}/{c}");
            check_chunks(layout, file_size, c, total);
        }
    }
}

/// The chunks, one by one, make up the file and its sealed form without gap or overlap.
fn check_chunks(layout: ChunkLayout, file_size: u64, c: u64, total: u32) {
    let (mut plain, mut sealed) = (0, 0);
    for number in 0..total {
        let index = index(number);
        assert!(layout.contains(index));
        assert_eq!((layout.plaintext_offset(index), layout.sealed_offset(index)), (plain, sealed));
        let len = u64::from(layout.plaintext_len(index).expect("the chunk exists"));
        assert!(number + 1 == total || len == c);
        assert_eq!(layout.sealed_len(index), Some(len + 28));
        plain += len;
        sealed += len + 28;
    }
    assert_eq!((plain, sealed), (file_size, layout.sealed_size()));
    for number in [total, total + 1, ChunkIndex::MAX.get()] {
        assert!(!layout.contains(index(number)));
        assert_eq!((layout.plaintext_len(index(number)), layout.sealed_len(index(number))), (None, None));
    }
}

#[test]
fn chunk_size_is_from_1_kib_to_64_mib() {
    for (chunk_size, accepted) in [
        (0, false),
        (1, false),
        (SEED_MIN_CHUNK_SIZE_BYTES - 1, false),
        (SEED_MIN_CHUNK_SIZE_BYTES, true),
        (MAX_CHUNK_SIZE_BYTES, true),
        (MAX_CHUNK_SIZE_BYTES + 1, false),
        (1 << 32, false),
        (u64::MAX, false),
    ] {
        assert_eq!(layout(1, chunk_size).err(), (!accepted).then_some(LayoutError::ChunkSize), "{chunk_size}");
    }
}

#[test]
fn a_transfer_has_at_most_2_to_the_32_minus_1_chunks() {
    let most = u64::from(u32::MAX);
    assert_eq!(layout(most * 1024, 1024).map(|layout| layout.total_chunks()), Ok(u32::MAX));
    assert_eq!(layout(most * 1024 + 1, 1024), Err(LayoutError::TooManyChunks));
}

#[test]
fn a_transfer_has_at_most_2_to_the_53_minus_1_sealed_bytes() {
    let chunk_size = MAX_CHUNK_SIZE_BYTES;
    let most = MAX_SAFE_INTEGER - 28 * MAX_SAFE_INTEGER.div_ceil(chunk_size + 28);
    assert_eq!(layout(most, chunk_size).map(|layout| layout.sealed_size()), Ok(MAX_SAFE_INTEGER));
    assert_eq!(layout(most + 1, chunk_size), Err(LayoutError::TooManyChunks));
    assert_eq!(layout(MAX_SAFE_INTEGER, chunk_size), Err(LayoutError::TooManyChunks));
}

#[test]
fn total_chunks_must_follow_from_the_sizes() {
    for (file_size, total) in [(0, 1), (65_536, 1), (65_537, 2), (10 * 65_536, 10)] {
        for stated in [total - 1, total, total + 1, u32::MAX] {
            let Some(count) = ChunkCount::new(stated) else { continue };
            let checked = ChunkLayout::check(ByteLen::new(file_size).expect("in range"), 65_536, count);
            assert_eq!(checked.err(), (stated != total).then_some(LayoutError::TotalChunks), "{file_size} {stated}");
        }
    }
}
