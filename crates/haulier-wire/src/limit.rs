//! Every cap that both sides share. n is accepted, n + 1 refused.

/// Bytes that sealing adds to a chunk: 12 of iv and 16 of tag.
pub const SEALED_OVERHEAD_BYTES: u64 = 28;

/// Smallest chunk_size of a FULL transfer: 64 KiB.
pub const MIN_CHUNK_SIZE_BYTES: u64 = 64 << 10;
/// Smallest chunk_size of a SEED transfer: 1 KiB.
pub const SEED_MIN_CHUNK_SIZE_BYTES: u64 = 1 << 10;
/// Largest chunk_size: 64 MiB.
pub const MAX_CHUNK_SIZE_BYTES: u64 = 64 << 20;
/// The chunk_size that clients choose for large files: 8 MiB.
pub const DEFAULT_CHUNK_SIZE_BYTES: u64 = 8 << 20;
/// The chunk_size that clients choose for small files and behind proxies that cap bodies at 1 MiB: 960 KiB.
pub const SMALL_CHUNK_SIZE_BYTES: u64 = 960 << 10;
/// Files from here on get [`DEFAULT_CHUNK_SIZE_BYTES`]: 64 MiB.
pub const SMALL_FILE_BYTES: u64 = 64 << 20;
/// Clients choose a larger chunk_size rather than more chunks than this.
pub const CLIENT_MAX_CHUNKS: u64 = 100_000;

/// Largest sealed metadata: 1 MiB.
pub const MAX_SEALED_METADATA_BYTES: usize = 1 << 20;
/// Smallest sealed metadata: iv and tag around nothing.
pub const MIN_SEALED_METADATA_BYTES: usize = 28;
/// Largest JSON body: base64url of the sealed metadata, and the other members.
pub const MAX_JSON_BODY_BYTES: usize = (MAX_SEALED_METADATA_BYTES / 3 + 1) * 4 + (16 << 10);
/// Longest token, in visible ASCII characters.
pub const MAX_TOKEN_BYTES: usize = 256;
/// Bytes of kdf.salt.
pub const KDF_SALT_BYTES: usize = 16;
/// PBKDF2 iterations of format version 1; any other number is refused.
pub const KDF_ITERATIONS: u32 = 600_000;
/// Bytes of key_check.
pub const KEY_CHECK_BYTES: usize = 32;
/// Most ranges that one upload status or one refused complete lists as missing.
pub const MAX_MISSING_RANGES: usize = 1_000;
/// Longest content_type_hint of the older system, in bytes of UTF-8.
pub const MAX_CONTENT_TYPE_HINT_BYTES: usize = 255;
/// Longest payload of the older system: one object of an object store, 5 TiB.
pub const MAX_PAYLOAD_BYTES: u64 = 5 << 40;
/// Longest body of the older system's upload that is looked at for JSON with the payload inside: 8 MiB. What is longer
/// is the payload itself.
pub const MAX_UPLOAD_JSON_BYTES: u64 = 8 << 20;
/// Most files in one transfer.
pub const MAX_FILES: usize = 10_000;
/// Longest path of a file, in bytes of UTF-8.
pub const MAX_PATH_BYTES: usize = 1_024;
/// Longest segment of a path, in bytes of UTF-8.
pub const MAX_PATH_SEGMENT_BYTES: usize = 255;
