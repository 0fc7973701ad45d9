//! What a server says of a transfer to anyone who knows its id.

use std::sync::Arc;

use haulier_wire::api::{Info, TransferState};
use haulier_wire::{ChunkCount, Timestamp, TransferId};

use crate::ambient::Ambient;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, CallError, LegacyInfo, Retry, RetryPolicy, Role, Server, until_final};
use crate::progress::Progress;

/// Which transfer to ask about, and how.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// The server.
    pub server: Server,
    /// The transfer.
    pub transfer_id: TransferId,
    /// When requests are sent again.
    pub retry: RetryPolicy,
}

/// What a server says of a transfer that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Its state.
    pub state: TransferState,
    /// Bytes of plaintext; of a legacy blob, what its sender claimed, with the envelope that names it.
    pub file_size: u64,
    /// Chunks in all; none of a legacy blob, which is one piece.
    pub total_chunks: Option<u32>,
    /// Whether it takes a passphrase to open it.
    pub has_passphrase: bool,
    /// When create was called; a legacy server may say what is no moment.
    pub created_at: Option<Timestamp>,
    /// When it ends.
    pub end: End,
    /// Downloads counted so far.
    pub download_count: u64,
    /// 0: no limit.
    pub max_downloads: u64,
}

/// When a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Then.
    At(Timestamp),
    /// A while after its upload is complete.
    AfterComplete,
    /// Never by itself: a legacy server keeps for good what was sent without an end.
    Never,
}

/// Asks the server about a transfer, the legacy system's included. No token travels, nothing is counted as a download, and
/// nothing of the answer is authentic: only the sender's sealed metadata is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Deleted`], [`Error::Expired`], and whatever stands between.
pub async fn inspect(
    options: InspectOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<Inspected, Error> {
    let (api, id) = (Api::new(options.server)?, options.transfer_id);
    let retry = Retry::new(options.retry, ambient, progress);
    let failed = |error: CallError| error.into_error(api.server().base(), Role::Download);
    if id.is_legacy() {
        let info = until_final!(retry, api.legacy_info(id)).map_err(failed)?;
        if !info.has_chunks() {
            return of_blob(&info);
        }
    }
    let info = until_final!(retry, api.info(id)).map_err(failed)?;
    if info.transfer_id == id { Ok(of_chunks(&info)) } else { Err(IntegrityError::OtherTransfer.into()) }
}

fn of_chunks(info: &Info) -> Inspected {
    Inspected {
        transfer_id: info.transfer_id,
        state: info.status,
        file_size: info.file_size_bytes.get(),
        total_chunks: info.total_chunks.map(ChunkCount::get),
        has_passphrase: info.kdf.is_some(),
        created_at: Some(info.created_at),
        end: info.expires_at.parse().map_or(End::AfterComplete, End::At),
        download_count: info.download_count,
        max_downloads: info.max_downloads,
    }
}

fn of_blob(info: &LegacyInfo) -> Result<Inspected, Error> {
    // A Haulier server, which names the format, lets everything end.
    let open_end = if info.format.is_some() { End::AfterComplete } else { End::Never };
    Ok(Inspected {
        transfer_id: info.transfer_id,
        state: info.state()?,
        file_size: info.file_size_bytes,
        total_chunks: None,
        has_passphrase: false,
        created_at: info.created_at.parse().ok(),
        end: info.expires_at.parse().map_or(open_end, End::At),
        download_count: info.download_count,
        max_downloads: info.max_downloads,
    })
}

#[cfg(test)]
mod tests;
