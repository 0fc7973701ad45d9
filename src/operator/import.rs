//! `import`: progress on standard error, what there is to say of transfers and the sum on standard output.

use std::process::ExitCode;
use std::time::Duration;

use super::{FOUND, say, say_json, text};
use crate::transfer::Transfers;
use crate::transfer::import::{ForeignStore, Imported, Progress, Remark};

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn run(
    transfers: &Transfers,
    source: &dyn ForeignStore,
    json: bool,
    dry: bool,
) -> anyhow::Result<ExitCode> {
    let progress = Progress::default();
    let report = |remark: &Remark| match remark {
        _ if json => say(&serde_json::to_string(remark).unwrap_or_default()),
        _ => say(&text::plain(&line(remark))),
    };
    let mut importing = std::pin::pin!(transfers.import(source, dry, &progress, &report));
    let done = loop {
        tokio::select! {
            done = &mut importing => break done,
            () = tokio::time::sleep(PROGRESS_EVERY) => eprintln!("haulier-server: {}", words(&progress.imported(), dry)),
        }
    };
    let imported = progress.imported();
    if json {
        say_json(&imported)?;
    } else {
        say(&words(&imported, dry));
    }
    done?;
    Ok(if imported.failed + imported.unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn line(remark: &Remark) -> String {
    match remark {
        Remark::Transfer { transfer_id, imported: true, reason } => format!("{transfer_id}: {reason}"),
        Remark::Transfer { transfer_id, reason, .. } => format!("{transfer_id} is not taken: {reason}"),
        Remark::Unreadable { unreadable, reason } => format!("{unreadable} cannot be looked at: {reason}"),
    }
}

fn words(all: &Imported, dry: bool) -> String {
    let Imported { found, imported, without_end, known, over, failed, unreadable, bytes } = *all;
    let (taken, bytes) = (if dry { "to take" } else { "taken" }, text::bytes(bytes));
    format!(
        "found {found} transfers: {imported} {taken} ({bytes}; {without_end} of them had no end), {known} known, \
         {over} over, {failed} not taken{}",
        if unreadable == 0 { String::new() } else { format!("; {unreadable} folders could not be looked at") }
    )
}
