//! `haulier list`.

use std::io::IsTerminal as _;

use console::{Term, measure_text_width, pad_str, truncate_str};
use haulier_client::Ambient;
use haulier_client::owned::{Owned, SentTransfer, UnfinishedUpload};
use haulier_wire::{Timestamp, TransferId};
use serde_json::json;

use super::owned;
use crate::cli::ListArgs;
use crate::error::Failure;
use crate::{screen, text};

/// Digits of an id that are shown, if they tell all apart.
const SHOWN_DIGITS: usize = 8;

/// Lists what this machine sent and what it began to send.
pub(super) async fn run(args: &ListArgs) -> Result<(), Failure> {
    let known = owned::owner(args.json)?.list().await?;
    let now = Ambient::system().now();
    if args.json {
        return screen::out(as_json(&known, now));
    }
    for path in &known.damaged {
        screen::note(format_args!("Passed over, since it cannot be read: {}", text::line(&path.to_string_lossy())));
    }
    let columns = std::io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().1));
    lines(&known, now, columns).into_iter().try_for_each(screen::out)
}

/// The name of a transfer that is known here.
pub(super) fn name_of(known: &Owned, id: TransferId) -> Option<&str> {
    let sent = known.transfers.iter().find(|transfer| transfer.transfer_id == id).map(|transfer| &transfer.name);
    let upload = || known.uploads.iter().find(|upload| upload.transfer_id == id).map(|upload| &upload.name);
    sent.or_else(upload).map(String::as_str)
}

fn lines(known: &Owned, now: Timestamp, columns: Option<usize>) -> Vec<String> {
    let digits = digits(known);
    // One server needs no column.
    let server = one_server(known);
    let mut lines = Vec::new();
    if !known.transfers.is_empty() {
        let mut rows = vec![["ID", "SENT", "EXPIRES", "SIZE", "SERVER", "NAME"].map(str::to_owned)];
        rows.extend(known.transfers.iter().map(|transfer| sent_row(transfer, digits, now)));
        lines.extend(table(&rows, server.is_some(), columns));
    }
    if !known.uploads.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("Not finished; the same command as before goes on:".into());
        let mut rows = vec![["ID", "BEGUN", "SEALED", "SIZE", "SERVER", "NAME"].map(str::to_owned)];
        rows.extend(known.uploads.iter().map(|upload| upload_row(upload, digits, now)));
        lines.extend(table(&rows, server.is_some(), columns));
    }
    match server {
        Some(server) => lines.extend([String::new(), format!("Server: {}", text::line(server))]),
        None if lines.is_empty() => lines.push("Nothing was sent from this machine yet.".into()),
        None => {}
    }
    lines
}

fn sent_row(transfer: &SentTransfer, digits: usize, now: Timestamp) -> [String; 6] {
    let expires = if transfer.expires_at <= now { "expired".into() } else { text::from_now(transfer.expires_at, now) };
    [
        short(transfer.transfer_id, digits),
        text::from_now(transfer.sent_at, now),
        expires,
        text::bytes(transfer.file_size),
        host(&transfer.server),
        text::line(&transfer.name),
    ]
}

fn upload_row(upload: &UnfinishedUpload, digits: usize, now: Timestamp) -> [String; 6] {
    let percent = u64::from(upload.sealed_chunks) * 100 / u64::from(upload.total_chunks.max(1));
    let far = match (upload.in_use, upload.can_go_on) {
        (true, _) => format!("{percent}%, running"),
        (false, true) => format!("{percent}%"),
        // Standard input cannot be read again.
        (false, false) => format!("{percent}%, lost"),
    };
    [
        short(upload.transfer_id, digits),
        upload.begun_at.map_or_else(|| "-".into(), |begun| text::from_now(begun, now)),
        far,
        text::bytes(upload.file_size),
        host(&upload.server),
        text::line(&upload.name),
    ]
}

/// Pads all columns but the last to their widest cell; cuts lines to a terminal's width, not to a pipe's.
fn table(rows: &[[String; 6]], without_server: bool, columns: Option<usize>) -> Vec<String> {
    let widest = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(widest).collect();
    let line = |row: &[String; 6]| {
        let cells = (0..5).filter(|column| *column != 4 || !without_server);
        let cells = cells.map(|column| pad_str(&row[column], widths[column], console::Alignment::Left, None));
        let line = cells.map(|cell| format!("{cell}  ")).collect::<String>() + &row[5];
        columns.map_or_else(|| line.clone(), |columns| truncate_str(&line, columns, "...").into_owned())
    };
    rows.iter().map(line).collect()
}

fn host(server: &str) -> String {
    text::line(server.split_once("://").map_or(server, |(_, host)| host))
}

fn short(id: TransferId, digits: usize) -> String {
    id.as_str().chars().take(digits).collect()
}

/// As many digits as tell all ids apart.
fn digits(known: &Owned) -> usize {
    let mut ids: Vec<TransferId> = known.ids().collect();
    ids.sort();
    let common = |pair: &[TransferId]| {
        pair[0].as_str().bytes().zip(pair[1].as_str().bytes()).take_while(|(one, other)| one == other).count()
    };
    ids.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(0).max(SHOWN_DIGITS)
}

fn one_server(known: &Owned) -> Option<&str> {
    let sent = known.transfers.iter().map(|transfer| transfer.server.as_str());
    let mut servers = sent.chain(known.uploads.iter().map(|upload| upload.server.as_str()));
    let first = servers.next()?;
    servers.all(|server| server == first).then_some(first)
}

fn as_json(known: &Owned, now: Timestamp) -> serde_json::Value {
    let transfers = known.transfers.iter().map(|transfer| {
        json!({
            "transfer_id": transfer.transfer_id,
            "name": transfer.name,
            "file_size": transfer.file_size,
            "sent_at": transfer.sent_at,
            "expires_at": transfer.expires_at,
            "expired": transfer.expires_at <= now,
            "server": transfer.server,
        })
    });
    let uploads = known.uploads.iter().map(|upload| {
        json!({
            "transfer_id": upload.transfer_id,
            "name": upload.name,
            "file_size": upload.file_size,
            "total_chunks": upload.total_chunks,
            "sealed_chunks": upload.sealed_chunks,
            "in_use": upload.in_use,
            "can_go_on": upload.can_go_on,
            "begun_at": upload.begun_at,
            "server": upload.server,
        })
    });
    let damaged = known.damaged.iter().map(|path| path.to_string_lossy());
    json!({
        "transfers": transfers.collect::<Vec<_>>(),
        "uploads": uploads.collect::<Vec<_>>(),
        "damaged": damaged.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
