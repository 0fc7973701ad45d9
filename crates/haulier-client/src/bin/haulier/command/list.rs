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
/// A table is worth its columns while so much of a name can stand in it.
const NAME_ROOM: usize = 16;
/// Which column has the limits of downloads, which the server, and which the names.
const LIMIT: usize = 3;
const SERVER: usize = 5;
const NAME: usize = 6;

const SENT: Row<&str> = ["ID", "SENT", "EXPIRES", "DOWNLOADS", "SIZE", "SERVER", "NAME"];
const BEGUN: Row<&str> = ["ID", "BEGUN", "SEALED", "", "SIZE", "SERVER", "NAME"];
/// Where there is nothing to say.
const NOTHING: &str = "-";
/// A space where no line breaks.
const UNBROKEN: &str = "\u{a0}";
/// Where no end is known: a legacy server keeps it for good.
const NEVER: &str = "never";
const NOT_FINISHED: &str = "Not finished; the same command as before goes on:";
const LOST: &str = "Lost: standard input cannot be read again. haulier rm ID gives them up:";

/// The cells of one line.
type Row<T = String> = [T; 7];

/// Columns that say nothing are left out.
#[derive(Clone, Copy)]
struct LeftOut {
    limit: bool,
    server: bool,
}

impl LeftOut {
    fn shows(self, column: usize) -> bool {
        !((self.limit && column == LIMIT) || (self.server && column == SERVER))
    }
}

/// Lists what this machine sent and what it began to send.
pub(super) async fn run(args: &ListArgs) -> Result<(), Failure> {
    let known = owned::owner(args.json)?.list().await?;
    let now = Ambient::system().now();
    if args.json {
        return screen::show(as_json(&known, now));
    }
    for path in &known.damaged {
        screen::note(format_args!("Passed over, since it cannot be read: {}", text::line(&path.to_string_lossy())));
    }
    let columns = std::io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().1));
    lines(&known, now, columns).into_iter().try_for_each(screen::show)
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
    let mut left_out = LeftOut { limit: !known.transfers.iter().any(is_limited), server: server.is_some() };
    let mut lines = Vec::new();
    if !known.transfers.is_empty() {
        let rows: Vec<Row> = known.transfers.iter().map(|transfer| sent_row(transfer, digits, now)).collect();
        lines.extend(table(SENT, &rows, left_out, columns));
    }
    left_out.limit = true;
    let (alive, lost): (Vec<_>, Vec<_>) = known.uploads.iter().partition(|upload| upload.in_use || upload.can_go_on);
    for (uploads, title) in [(alive, NOT_FINISHED), (lost, LOST)] {
        if uploads.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(text::fitted(title, columns.unwrap_or(usize::MAX)).lines().map(str::to_owned));
        let rows: Vec<Row> = uploads.into_iter().map(|upload| upload_row(upload, digits, now)).collect();
        lines.extend(table(BEGUN, &rows, left_out, columns));
    }
    match server {
        Some(server) => lines.extend([String::new(), format!("Server: {}", text::line(server))]),
        None if lines.is_empty() => lines.push("Nothing was sent from this machine yet.".into()),
        None => {}
    }
    lines
}

fn is_limited(transfer: &SentTransfer) -> bool {
    transfer.max_downloads.is_some_and(|most| most > 0)
}

fn sent_row(transfer: &SentTransfer, digits: usize, now: Timestamp) -> Row {
    let expires = match transfer.expires_at {
        Some(_) if transfer.is_expired(now) => "expired".into(),
        Some(end) => text::from_now(end, now),
        None => NEVER.into(),
    };
    let limit = match transfer.max_downloads {
        Some(most) if most > 0 => format!("at most {most}"),
        _ => NOTHING.into(),
    };
    [
        short(transfer.transfer_id, digits),
        text::from_now(transfer.sent_at, now),
        expires,
        limit,
        text::bytes(transfer.file_size),
        host(&transfer.server),
        text::line(&transfer.name),
    ]
}

fn upload_row(upload: &UnfinishedUpload, digits: usize, now: Timestamp) -> Row {
    let percent = u64::from(upload.sealed_chunks) * 100 / u64::from(upload.total_chunks.max(1));
    let far = if upload.in_use { format!("{percent}%, running") } else { format!("{percent}%") };
    [
        short(upload.transfer_id, digits),
        upload.begun_at.map_or_else(|| NOTHING.into(), |begun| text::from_now(begun, now)),
        far,
        NOTHING.into(),
        text::bytes(upload.file_size),
        host(&upload.server),
        text::line(&upload.name),
    ]
}

/// Pads all columns but the last to their widest cell; a terminal without room for names gets two lines for each row.
fn table(heads: Row<&str>, rows: &[Row], left_out: LeftOut, columns: Option<usize>) -> Vec<String> {
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| measure_text_width(&row[column]));
        cells.max().unwrap_or(0).max(measure_text_width(heads[column]))
    };
    let shown: Vec<usize> = (0..NAME).filter(|column| left_out.shows(*column)).collect();
    let before_name: usize = shown.iter().map(|column| widest(*column) + 2).sum();
    if columns.is_some_and(|columns| columns < before_name + widest(NAME).min(NAME_ROOM)) {
        return rows.iter().flat_map(|row| stacked(&heads, row, left_out, columns)).collect();
    }
    let line = |row: &Row<&str>| {
        let cell = |column: &usize| pad_str(row[*column], widest(*column) + 2, console::Alignment::Left, None);
        cut(&(shown.iter().map(cell).collect::<String>() + row[NAME]), columns)
    };
    std::iter::once(line(&heads)).chain(rows.iter().map(|row| line(&row.each_ref().map(String::as_str)))).collect()
}

/// `aaaaaaaa  video.mp4`, and below it what else is known.
fn stacked(heads: &Row<&str>, row: &Row, left_out: LeftOut, columns: Option<usize>) -> Vec<String> {
    let [id, first, second, limit, size, server, name] = row;
    let lower = |head: &str| head.to_lowercase();
    let second = match (heads[2], second.as_str()) {
        (_, "expired") => second.clone(),
        (_, NEVER) => "never expires".into(),
        (head, value) => format!("{} {value}", lower(head)),
    };
    let mut parts = vec![size.clone(), format!("{} {first}", lower(heads[1])), second];
    if left_out.shows(LIMIT) && limit != NOTHING {
        parts.push(format!("{} {limit}", lower(heads[LIMIT])));
    }
    if left_out.shows(SERVER) {
        parts.push(format!("on {server}"));
    }
    // Lines break between the parts, never inside of one.
    let rest = format!("  {}", parts.join(",\n").replace(' ', UNBROKEN).replace('\n', " "));
    let rest = text::fitted(&rest, columns.unwrap_or(usize::MAX)).replace(UNBROKEN, " ");
    std::iter::once(format!("{id}  {name}"))
        .chain(rest.lines().map(str::to_owned))
        .map(|line| cut(&line, columns))
        .collect()
}

fn cut(line: &str, columns: Option<usize>) -> String {
    columns.map_or_else(|| line.to_owned(), |columns| truncate_str(line, columns, "...").into_owned())
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
            "expired": transfer.is_expired(now),
            "max_downloads": transfer.max_downloads,
            "server": transfer.server,
            "legacy": transfer.is_legacy,
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
