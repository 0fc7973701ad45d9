//! The chunk size that a file gets.

use haulier_wire::ChunkCount;

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

fn config() -> ServerConfig {
    ServerConfig {
        version: "0".into(),
        max_file_bytes: ByteLen::new(100 * TIB).unwrap(),
        min_chunk_bytes: ByteLen::new(64 * KIB).unwrap(),
        max_chunk_bytes: ByteLen::new(64 * MIB).unwrap(),
        max_total_chunks: ChunkCount::new(1_000_000).unwrap(),
        default_expires_in_seconds: 604_800,
        min_expires_in_seconds: 1,
        max_expires_in_seconds: 31_536_000,
        upload_expires_in_seconds: 604_800,
        client_timeout_seconds: 30,
        download_limits: false,
        access_token_required: false,
        max_total_bytes: None,
        left_bytes: None,
        max_token_bytes: None,
        max_open_uploads: None,
        max_token_uploads: None,
        client_rate: None,
        token_rate: None,
    }
}

fn chunk_size(file_bytes: u64) -> u64 {
    u64::from(layout(file_bytes, None, &config()).unwrap().chunk_size())
}

#[test]
fn chunk_size_follows_the_file() {
    for (file_bytes, expected) in [
        (0, 960 * KIB),
        (1, 960 * KIB),
        (64 * MIB - 1, 960 * KIB),
        (64 * MIB, 8 * MIB),
        (100_000 * 8 * MIB, 8 * MIB),
        (100_000 * 8 * MIB + 1, 16 * MIB),
        (100_000 * 16 * MIB + 1, 32 * MIB),
        (100_000 * 32 * MIB + 1, 64 * MIB),
        (20 * TIB, 64 * MIB),
    ] {
        assert_eq!(chunk_size(file_bytes), expected, "{file_bytes}");
    }
}

#[test]
fn the_servers_limits_hold() {
    let mut small = config();
    small.max_file_bytes = ByteLen::new(1_000).unwrap();
    assert!(layout(1_000, None, &small).is_ok());
    assert_eq!(layout(1_001, None, &small), Err(LimitError::FileTooLarge { file_bytes: 1_001, max_bytes: 1_000 }));
    let mut narrow = config();
    narrow.max_chunk_bytes = ByteLen::new(MIB).unwrap();
    assert_eq!(layout(100 * MIB, None, &narrow).unwrap().chunk_size(), 1 << 20);
    narrow.max_total_chunks = ChunkCount::new(100).unwrap();
    assert!(layout(100 * MIB, None, &narrow).is_ok());
    assert_eq!(
        layout(100 * MIB + 1, None, &narrow),
        Err(LimitError::TooManyChunks { total_chunks: 101, max_chunks: 100 })
    );
}

#[test]
fn fewer_chunks_than_ours_make_them_larger() {
    let mut few = config();
    few.max_total_chunks = ChunkCount::new(100).unwrap();
    assert_eq!(layout(1_600 * MIB, None, &few).unwrap().chunk_size(), 16 << 20);
}

#[test]
fn a_chosen_chunk_size_is_taken_or_refused() {
    let config = config();
    for (asked, fits) in
        [(64 * KIB - 1, false), (64 * KIB, true), (100_000, true), (64 * MIB, true), (64 * MIB + 1, false)]
    {
        assert_eq!(layout(1, Some(asked), &config).is_ok(), fits, "{asked}");
    }
}

#[test]
fn a_lifetime_is_taken_or_refused() {
    for (seconds, fits) in [(0, false), (1, true), (31_536_000, true), (31_536_001, false)] {
        assert_eq!(check_lifetime(seconds, &config()).is_ok(), fits, "{seconds}");
    }
}

#[test]
fn limits_that_exclude_each_other_are_refused() {
    let mut absurd = config();
    absurd.min_chunk_bytes = ByteLen::new(TIB).unwrap();
    assert!(matches!(layout(1, None, &absurd), Err(LimitError::ChunkSize { .. })));
    let mut none = config();
    none.max_chunk_bytes = ByteLen::new(0).unwrap();
    assert!(matches!(layout(1, None, &none), Err(LimitError::ChunkSize { .. })));
}
