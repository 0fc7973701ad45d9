//! Limits of servers, and what does not fit into them.

use haulier_wire::layout::LayoutError;

use crate::unit::{bytes, span};

/// Which limit of the server excludes the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The file is larger than the server takes.
    #[error("there are {}, and the server takes at most {}", bytes(*file_bytes), bytes(*max_bytes))]
    FileTooLarge {
        /// Bytes of the file.
        file_bytes: u64,
        /// The server's limit.
        max_bytes: u64,
    },
    /// The chunk size is outside of what the server, or the format, takes.
    #[error("the chunk size must be from {} to {}", bytes(*min_bytes), bytes(*max_bytes))]
    ChunkSize {
        /// Smallest.
        min_bytes: u64,
        /// Largest.
        max_bytes: u64,
    },
    /// Too many chunks at any chunk size that is allowed.
    #[error("this would need {total_chunks} chunks, and the server takes at most {max_chunks}")]
    TooManyChunks {
        /// Chunks needed.
        total_chunks: u64,
        /// The server's limit.
        max_chunks: u64,
    },
    /// The lifetime is outside of what the server takes.
    #[error("the server keeps transfers from {} to {}", span(*min_seconds), span(*max_seconds))]
    Lifetime {
        /// Shortest.
        min_seconds: u64,
        /// Longest.
        max_seconds: u64,
    },
    /// The server may not hold so much more.
    #[error("this takes {} on the server, and the server has room for {}", bytes(*needed_bytes), bytes(*left_bytes))]
    Room {
        /// Sealed bytes.
        needed_bytes: u64,
        /// What is left of its quota.
        left_bytes: u64,
    },
    /// The transfers of the access token, or all of them, may not hold so much more.
    #[error("the quota on the server has room for {}", bytes(*left_bytes))]
    Quota {
        /// What is left.
        left_bytes: u64,
    },
    /// A legacy transfer has no list of files.
    #[error("a legacy transfer holds one file, without folders")]
    OneFile,
    /// One seal of the legacy system's ends where its cipher does.
    #[error("there are {}, and one legacy blob holds less than 64 GiB", bytes(*file_bytes))]
    BlobTooLarge {
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The server has no limits of downloads.
    #[error("this server does not limit downloads")]
    Downloads,
    /// The numbers fit no transfer at all.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
