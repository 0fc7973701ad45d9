//! Which chunk_size a file gets, within the limits of the format and of the server.

use haulier_wire::api::ServerConfig;
use haulier_wire::limit::{
    CLIENT_MAX_CHUNKS, DEFAULT_CHUNK_SIZE_BYTES, MAX_CHUNK_SIZE_BYTES, MIN_CHUNK_SIZE_BYTES, SMALL_CHUNK_SIZE_BYTES,
    SMALL_FILE_BYTES,
};
use haulier_wire::{ByteLen, ChunkLayout};

use crate::error::LimitError;

/// Cuts a file into chunks; `asked` is the person's choice of chunk_size in bytes.
///
/// # Errors
/// [`LimitError`] when the server takes no such file, or no such chunks.
pub(super) fn layout(file_bytes: u64, asked: Option<u64>, config: &ServerConfig) -> Result<ChunkLayout, LimitError> {
    let max_bytes = config.max_file_bytes.get();
    if file_bytes > max_bytes {
        return Err(LimitError::FileTooLarge { file_bytes, max_bytes });
    }
    let min_chunk = config.min_chunk_bytes.get().max(MIN_CHUNK_SIZE_BYTES);
    let max_chunk = config.max_chunk_bytes.get().min(MAX_CHUNK_SIZE_BYTES);
    if min_chunk > max_chunk {
        return Err(LimitError::ChunkSize { min_bytes: min_chunk, max_bytes: max_chunk });
    }
    let chunk_size = match asked {
        Some(bytes) if (min_chunk..=max_chunk).contains(&bytes) => bytes,
        Some(_) => return Err(LimitError::ChunkSize { min_bytes: min_chunk, max_bytes: max_chunk }),
        None => choose(file_bytes, u64::from(config.max_total_chunks.get())).clamp(min_chunk, max_chunk),
    };
    let total_chunks = file_bytes.div_ceil(chunk_size).max(1);
    let max_chunks = u64::from(config.max_total_chunks.get());
    if total_chunks > max_chunks {
        return Err(LimitError::TooManyChunks { total_chunks, max_chunks });
    }
    let file_size = ByteLen::new(file_bytes).ok_or(LimitError::FileTooLarge { file_bytes, max_bytes })?;
    let layout = ChunkLayout::new(file_size, chunk_size)?;
    let (needed_bytes, left_bytes) = (layout.sealed_size(), config.left_bytes.unwrap_or(ByteLen::MAX).get());
    if needed_bytes > left_bytes {
        return Err(LimitError::Room { needed_bytes, left_bytes });
    }
    Ok(layout)
}

/// 960 KiB for files under 64 MiB, else 8 MiB, or the power of two that keeps to 100,000 chunks; 64 MiB at most.
fn choose(file_bytes: u64, max_chunks: u64) -> u64 {
    if file_bytes < SMALL_FILE_BYTES {
        return SMALL_CHUNK_SIZE_BYTES;
    }
    let most = CLIENT_MAX_CHUNKS.min(max_chunks);
    let mut chunk_size = DEFAULT_CHUNK_SIZE_BYTES;
    while chunk_size < MAX_CHUNK_SIZE_BYTES && file_bytes.div_ceil(chunk_size) > most {
        chunk_size *= 2;
    }
    chunk_size
}

/// Checks a lifetime in seconds.
///
/// # Errors
/// [`LimitError::Lifetime`] outside of what the server takes.
pub(super) fn check_lifetime(seconds: u64, config: &ServerConfig) -> Result<(), LimitError> {
    let (min_seconds, max_seconds) = (config.min_expires_in_seconds, config.max_expires_in_seconds);
    let fits = (min_seconds..=max_seconds).contains(&seconds);
    if fits { Ok(()) } else { Err(LimitError::Lifetime { min_seconds, max_seconds }) }
}

/// Checks that the server enforces limits of downloads if one is asked for.
///
/// # Errors
/// [`LimitError::Downloads`].
pub(super) fn check_downloads(max_downloads: Option<u64>, config: &ServerConfig) -> Result<(), LimitError> {
    if max_downloads.is_none() || config.download_limits { Ok(()) } else { Err(LimitError::Downloads) }
}

#[cfg(test)]
mod tests;
