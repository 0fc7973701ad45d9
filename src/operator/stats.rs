//! `stats`: what the database knows, and what lies in the blob store, added up.

use std::process::ExitCode;

use serde::Serialize;

use super::{say, say_json, text};
use crate::config::command::Stats;
use crate::metadata::{StoredState, Total};
use crate::transfer::Transfers;
use crate::transfer::inspect::Measured;

/// Transfers of one sort.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sum {
    transfers: u64,
    declared_bytes: u64,
    stored_chunks: u64,
    stored_bytes: u64,
}

impl Sum {
    fn of(totals: &[Total], is_meant: impl Fn(&Total) -> bool) -> Self {
        totals.iter().filter(|total| is_meant(total)).fold(Self::default(), |sum, total| Self {
            transfers: sum.transfers + total.transfers,
            declared_bytes: sum.declared_bytes.saturating_add(total.declared_bytes),
            stored_chunks: sum.stored_chunks + total.stored_chunks,
            stored_bytes: sum.stored_bytes + total.stored_bytes,
        })
    }
}

#[derive(Debug, Serialize)]
struct Sums {
    /// Chunks are arriving.
    pending: Sum,
    /// Can be read.
    completed: Sum,
    /// Ended or deleted, and their bytes are still there.
    to_be_swept: Sum,
    /// Only their rows are left.
    gone: Sum,
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs: Option<Measured>,
}

pub(super) async fn run(transfers: &Transfers, flags: Stats) -> anyhow::Result<ExitCode> {
    let totals = transfers.totals().await?;
    let ended = [StoredState::Deleted, StoredState::Exhausted];
    let is_over = |total: &Total| total.has_ended || ended.contains(&total.state);
    let sums = Sums {
        pending: Sum::of(&totals, |total| total.state == StoredState::Pending && !is_over(total)),
        completed: Sum::of(&totals, |total| total.state == StoredState::Completed && !is_over(total)),
        to_be_swept: Sum::of(&totals, |total| is_over(total) && !total.is_swept),
        gone: Sum::of(&totals, |total| is_over(total) && total.is_swept),
        blobs: if flags.blobs { Some(transfers.measure_blobs().await?) } else { None },
    };
    if flags.json {
        say_json(&sums)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{:<12} {:>10} {:>14} {:>10} {:>14}", "", "transfers", "announced", "chunks", "stored"));
    for (name, sum) in [("pending", sums.pending), ("completed", sums.completed), ("to be swept", sums.to_be_swept)] {
        let (announced, stored) = (text::bytes(sum.declared_bytes), text::bytes(sum.stored_bytes));
        say(&format!("{name:<12} {:>10} {announced:>14} {:>10} {stored:>14}", sum.transfers, sum.stored_chunks));
    }
    // Their bytes are not there any more.
    say(&format!("{:<12} {:>10}", "gone", sums.gone.transfers));
    if let Some(blobs) = sums.blobs {
        let (chunks, other) = (text::bytes(blobs.chunk_bytes), text::bytes(blobs.other_bytes));
        let payloads = text::bytes(blobs.payload_bytes);
        say(&format!(
            "in the store: {} transfers, {} chunks of {chunks}, {} payloads of {payloads}, and {other} beside them",
            blobs.transfers, blobs.chunks, blobs.payloads
        ));
    }
    Ok(ExitCode::SUCCESS)
}
