//! `rebuild`: progress on standard error, what could not be restored and the sum on standard output.

use std::process::ExitCode;
use std::time::Duration;

use super::{FOUND, say, say_json, text};
use crate::config::command::Rebuild;
use crate::transfer::Transfers;
use crate::transfer::rebuild::{Progress, Rebuilt, Unrestored};

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(transfers: &Transfers, flags: Rebuild) -> anyhow::Result<ExitCode> {
    let progress = Progress::default();
    let report = |unrestored: &Unrestored| match flags.json {
        true => say(&serde_json::to_string(unrestored).unwrap_or_default()),
        false => say(&format!("{} is not restored: {}", unrestored.transfer_id, unrestored.reason)),
    };
    let mut rebuilding = std::pin::pin!(transfers.rebuild(&progress, &report));
    let done = loop {
        tokio::select! {
            done = &mut rebuilding => break done,
            () = tokio::time::sleep(PROGRESS_EVERY) => eprintln!("haulier-server: {}", words(&progress.rebuilt())),
        }
    };
    let rebuilt = progress.rebuilt();
    if flags.json {
        say_json(&rebuilt)?;
    } else {
        say(&words(&rebuilt));
    }
    done?;
    Ok(if rebuilt.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn words(rebuilt: &Rebuilt) -> String {
    let Rebuilt { folders, restored, expired, known, unfinished, foreign, failed, read_bytes } = *rebuilt;
    let read = text::bytes(read_bytes);
    format!(
        "looked at {folders} folders, read {read}: {restored} restored ({expired} of them expired), {known} known, \
         {unfinished} unfinished, {foreign} with a foreign name, {failed} not restored"
    )
}
