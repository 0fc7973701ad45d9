//! Progress in words: sizes, times and notices.

use std::path::Path;
use std::time::{Duration, Instant};

use haulier_client::progress::{Notice, Work};
use indicatif::HumanBytes;

use super::count::{Count, Phase, Wait};
use crate::text;

pub(super) fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// `8.25 MiB/s`, `98.3 MiB/s`, `412 MiB/s`: three digits, so that the line does not dance.
pub(super) fn speed(bytes_per_second: u64) -> String {
    let text = bytes(bytes_per_second);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, "B"));
    let digits = if number.contains('.') { number.get(..4).unwrap_or(number).trim_end_matches('.') } else { number };
    format!("{digits} {unit}/s")
}

/// `1.25 of 4.00 GiB`: both in the unit of the whole.
pub(super) fn bytes_of(done: u64, total: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (total.checked_ilog2().unwrap_or(0) / 10).min(5);
    let unit = UNITS[power as usize];
    if power == 0 {
        return format!("{done} of {total} {unit}");
    }
    let hundredths = |bytes: u64| (u128::from(bytes) * 100) >> (10 * power);
    let text = |bytes: u64| format!("{}.{:02}", hundredths(bytes) / 100, hundredths(bytes) % 100);
    format!("{} of {} {unit}", text(done), text(total))
}

/// `0:42`, `12:05`, `3:04:05`, `2 d 5 h`.
pub(super) fn clock(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3_600 % 24, seconds / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{days} d {hours} h"),
    }
}

pub(super) fn counted(count: u32, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// What is going on before anything travels.
pub(super) fn preparing(work: Work) -> &'static str {
    match work {
        Work::Spooling => "reading the input",
        Work::Checking => "checking what is here",
    }
}

pub(super) const WAITING: &str = "the sender is still uploading";

pub(super) fn retry(reason: &str, delay: Duration) -> String {
    match delay.as_millis().div_ceil(1_000) {
        0 => format!("trying again: {reason}"),
        seconds => format!("trying again in {seconds} s: {reason}"),
    }
}

pub(super) fn wait(wait: &Wait, now: Instant) -> String {
    retry(&wait.reason, wait.until.saturating_duration_since(now))
}

/// One line for a log.
pub(super) fn line(count: &Count, verb: &str, now: Instant) -> String {
    if let Some(standstill) = count.standstill(now) {
        let far = if count.total_bytes > 0 { format!(" {}%", count.percent()) } else { String::new() };
        return format!("{verb}{far}, {}", wait(standstill, now));
    }
    let mut parts = vec![];
    match count.phase {
        Phase::Preparing(work) => parts.push(format!("{verb}, {}: {}", preparing(work), bytes(count.done_bytes()))),
        Phase::Waiting => parts.push(format!("{verb}, {WAITING}")),
        Phase::Finishing => parts.push(format!("{verb} {}, finishing", bytes(count.total_bytes))),
        Phase::Before | Phase::Travelling => {
            parts.push(format!("{verb} {}% of {}", count.percent(), bytes(count.total_bytes)));
            parts.push(format!("{}/s", bytes(count.bytes_per_second(now))));
            parts.extend(count.seconds_left(now).map(|seconds| format!("{} left", clock(seconds))));
            if count.files > 1 {
                parts.push(format!("{} of {} files", count.files_done, count.files));
            }
            parts.push(format!("{} under way", counted(count.in_flight, "chunk", "chunks")));
        }
    }
    if count.retries > 0 {
        parts.push(counted(count.retries, "retry", "retries"));
    }
    parts.join(", ")
}

/// A path of one's own can come from an archive.
fn shown(path: &Path) -> String {
    text::line(&path.to_string_lossy())
}

/// Says a notice to a person.
pub(super) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Renamed { name, others: 0 } => {
            format!("The receiver will see {name:?}: not every system can store its name, or two files have the same.")
        }
        Notice::Renamed { name, others } => {
            format!(
                "{} names were changed, such as {name:?}: not every system can store them, or two files have the same.",
                others + 1
            )
        }
        Notice::Resuming => "Going on where an earlier run stopped.".into(),
        Notice::ResumingLocked { transfer_id } => {
            let id = &transfer_id.as_str()[..8];
            format!(
                "Going on with upload {id} where an earlier run stopped, under the passphrase of that run. \
                 For another one: haulier rm {id}, then send again."
            )
        }
        Notice::OtherPassphrase => "The earlier upload of this has another passphrase; a new transfer starts.".into(),
        Notice::LeftOut { count: 1 } => "Left out: 1 link, pipe, socket or device.".into(),
        Notice::LeftOut { count } => format!("Left out: {count} links, pipes, sockets or devices."),
        Notice::EmptyFolders { count: 1 } => "1 empty folder does not travel; --tar would keep it.".into(),
        Notice::EmptyFolders { count } => format!("{count} empty folders do not travel; --tar would keep them."),
        Notice::StateInUse => "Another process is sending this file; this is a transfer of its own.".into(),
        Notice::StateUnusable => "An earlier upload cannot go on; a new transfer starts.".into(),
        Notice::NotRecorded => {
            "It is sent, but could not be noted here: haulier list, rm and edit will not know it.".into()
        }
        Notice::IdTaken => "The server has a transfer of the same id; another one starts.".into(),
        Notice::KeptUnusable => "What an earlier run kept cannot be used; starting anew.".into(),
        Notice::Kept { path } => {
            format!("What has arrived is kept; the same command goes on from there. (It is in {}.)", shown(path))
        }
        Notice::NotOurs { path } => {
            format!(
                "Something that haulier did not make is in {}; it stays there. It is yours to look at.",
                shown(path)
            )
        }
        Notice::DotName { name, here } => {
            format!(
                "The sender's name is {name:?}. Names that begin with a dot are hidden, and programs may obey such files: \
                 it becomes {here:?}. For another name: -o NAME."
            )
        }
        Notice::InputChanged => "The file has changed since the upload began; a new transfer starts.".into(),
        Notice::SmallerChunks { chunk_bytes, proxy } => {
            let why =
                if *proxy { "A proxy refuses large requests" } else { "The network breaks before a chunk is through" };
            format!("{why}; a new transfer starts with chunks of {}.", bytes(*chunk_bytes))
        }
        Notice::NoMetadata => "The sender gave no name: the file is named after the transfer.".into(),
    }
}
