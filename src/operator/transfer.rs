//! `transfer show` and `transfer delete`: one transfer, for abuse reports.

use std::process::ExitCode;

use haulier_wire::api::DeleteStatus;
use haulier_wire::{Timestamp, TransferId, TransferKind};
use serde::Serialize;

use super::{FOUND, say, say_json, text};
use crate::config::command::Transfer as Command;
use crate::metadata::Expiry;
use crate::transfer::inspect::Shown;
use crate::transfer::state::Liveness;
use crate::transfer::{TransferError, Transfers};

pub(super) async fn run(transfers: &Transfers, command: Command) -> anyhow::Result<ExitCode> {
    let id = command.id()?;
    let done = match command {
        Command::Show { json, .. } => show(transfers, id, json).await,
        Command::Delete { json, .. } => delete(transfers, id, json).await,
    };
    match done {
        Err(error) if matches!(error.downcast_ref(), Some(TransferError::NotFound)) => {
            eprintln!("haulier-server: neither the database nor the blob store knows a transfer {id}");
            Ok(ExitCode::from(FOUND))
        }
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

/// What is shown: nothing that opens or deletes anything.
#[derive(Debug, Serialize)]
struct Known {
    transfer_id: TransferId,
    state: &'static str,
    format: TransferKind,
    file_size: u64,
    chunk_size: u32,
    total_chunks: u32,
    stored_chunks: u32,
    stored_bytes: u64,
    sealed_metadata_bytes: Option<usize>,
    needs_passphrase: bool,
    has_owner_token: bool,
    needs_download_token: bool,
    download_count: u64,
    max_downloads: u64,
    created_at: Timestamp,
    completed_at: Option<Timestamp>,
    upload_expires_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    expires_seconds_after_complete: Option<i64>,
    bytes_removed: bool,
}

impl Known {
    fn new(shown: &Shown) -> Self {
        let row = &shown.transfer;
        let (expires_at, expires_seconds_after_complete) = match row.expiry {
            Expiry::At(at) => (Some(at), None),
            Expiry::AfterComplete(milliseconds) => (None, Some(milliseconds / 1000)),
        };
        Self {
            transfer_id: row.id,
            state: match shown.liveness {
                Liveness::Pending => "pending",
                Liveness::Completed => "completed",
                Liveness::Exhausted => "exhausted",
                Liveness::Deleted => "deleted",
                Liveness::Expired => "expired",
            },
            format: row.kind,
            file_size: row.shape.file_size(),
            chunk_size: row.shape.chunk_size(),
            total_chunks: row.shape.total_chunks(),
            stored_chunks: row.stored_chunks,
            stored_bytes: row.stored_bytes,
            sealed_metadata_bytes: shown.sealed_metadata_bytes,
            needs_passphrase: row.kdf_salt.is_some(),
            has_owner_token: row.owner_token_hash.is_some(),
            needs_download_token: row.download_token_hash.is_some(),
            download_count: row.download_count,
            max_downloads: row.max_downloads,
            created_at: row.created_at,
            completed_at: row.completed_at,
            upload_expires_at: row.completed_at.is_none().then_some(row.upload_expires_at),
            expires_at,
            expires_seconds_after_complete,
            bytes_removed: row.is_swept,
        }
    }
}

async fn show(transfers: &Transfers, id: TransferId, json: bool) -> anyhow::Result<()> {
    let known = Known::new(&transfers.show(id).await?);
    if json {
        return say_json(&known);
    }
    let yes = |is_so: bool| if is_so { "yes" } else { "no" };
    let line = |name: &str, value: &dyn std::fmt::Display| say(&format!("{:<17} {value}", format!("{name}:")));
    line("transfer", &known.transfer_id);
    line("state", &known.state);
    line("size", &format!("{} ({} bytes)", text::bytes(known.file_size), known.file_size));
    let chunks =
        format!("{} of {}, {} each", known.stored_chunks, known.total_chunks, text::bytes(known.chunk_size.into()));
    if known.format == TransferKind::Payload {
        line("payload", &if known.stored_bytes > 0 { "uploaded" } else { "empty, or not uploaded" });
    } else {
        line("chunks stored", &chunks);
    }
    line("bytes stored", &format!("{} (sealed)", known.stored_bytes));
    line("bytes removed", &yes(known.bytes_removed));
    line("created", &known.created_at);
    if let Some(at) = known.completed_at {
        line("completed", &at);
    }
    if let Some(at) = known.upload_expires_at {
        line("upload ends", &at);
    }
    match (known.expires_at, known.expires_seconds_after_complete) {
        (Some(at), _) => line("ends", &at),
        (None, seconds) => line("ends", &format!("{} s after it is complete", seconds.unwrap_or_default())),
    }
    line("downloads", &known.download_count);
    line("needs passphrase", &yes(known.needs_passphrase));
    line("owner token", &yes(known.has_owner_token));
    line("download token", &yes(known.needs_download_token));
    Ok(())
}

async fn delete(transfers: &Transfers, id: TransferId, json: bool) -> anyhow::Result<()> {
    let status = transfers.delete_as_operator(id).await?;
    if json {
        return say_json(&serde_json::json!({ "transfer_id": id, "status": status }));
    }
    say(&match status {
        DeleteStatus::Deleted => format!("{id} is deleted, and its bytes are removed"),
        DeleteStatus::AlreadyDeleted => format!("{id} was deleted before; its bytes are removed"),
    });
    Ok(())
}
