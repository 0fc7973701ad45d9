//! `gc`: removes now what the next sweeps would remove, or lists it.

use std::process::ExitCode;

use serde::Serialize;

use super::{say, say_json, text};
use crate::config::command::Gc;
use crate::transfer::Transfers;
use crate::transfer::sweep::{Swept, Unswept};

#[derive(Debug, Serialize)]
struct Done {
    removed: Swept,
    /// Ended, and kept for a while yet, so that running downloads can finish.
    waiting: Swept,
}

pub(super) async fn run(transfers: &Transfers, flags: Gc) -> anyhow::Result<ExitCode> {
    if flags.dry_run {
        let found = transfers.each_unswept(|one| tell_one(one, flags.json)).await?;
        return tell(flags, &format!("would remove {}", words(found)), &found);
    }
    let removed = transfers.sweep().await;
    transfers.counts_saved().await;
    let removed = removed?;
    transfers.sweep_abandoned().await?;
    let waiting = transfers.waiting().await?;
    let line = format!("removed {}; {} are kept for a while yet", words(removed), words(waiting));
    tell(flags, &line, &Done { removed, waiting })
}

fn tell_one(one: &Unswept, json: bool) {
    if json {
        let _ = say_json(one);
    } else {
        say(&format!("{} {} {}", one.transfer_id, one.state, text::bytes(one.bytes)));
    }
}

fn tell(flags: Gc, line: &str, object: &impl Serialize) -> anyhow::Result<ExitCode> {
    if flags.json {
        say_json(object)?;
    } else {
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn words(swept: Swept) -> String {
    format!("{} transfers with {}", swept.transfers, text::bytes(swept.bytes))
}
