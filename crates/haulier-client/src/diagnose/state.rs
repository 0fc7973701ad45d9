//! The folder of the local state: can it be written, is it private, is there something that nobody will come back for.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use haulier_wire::Timestamp;
use rustix::fs::{Access, access, statvfs};

use super::{Check, Finding};
use crate::resume::{Store, Unfinished};
use crate::unit::{bytes, span};

/// Less room is worth a warning, in bytes: tag logs of large uploads take a few MiB.
const LITTLE_ROOM_BYTES: u64 = 64 << 20;
/// What a run that was killed left half made is not about to be finished after so long, in seconds.
const STALE_SECONDS: i64 = 86_400;
/// By then a server has usually dropped an upload that nobody went on with, in seconds.
const FORGOTTEN_SECONDS: i64 = 7 * 86_400;
const OTHERS: u32 = 0o077;

/// Looks without making or changing anything. Blocks.
pub(super) fn check(root: &Path, now: Timestamp) -> Vec<Finding> {
    let there = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let message = format!("{} cannot be written: {}", there.display(), std::io::Error::from(error));
        let advice = "Set XDG_STATE_HOME to a folder that you can write to; nothing can be sent without it.";
        return vec![Finding::failed(Check::State, message, advice)];
    }
    let room = statvfs(there).ok().filter(|room| room.f_blocks > 0);
    let free_bytes = room.map(|room| room.f_bavail.saturating_mul(room.f_frsize));
    let mut findings: Vec<Finding> =
        [open_to_others(root), leftovers(root, now), little_room(there, free_bytes)].into_iter().flatten().collect();
    if findings.is_empty() {
        let what = if there == root { "is private and can be written" } else { "can be made" };
        let free = free_bytes.map_or_else(String::new, |free| format!("; {} free", bytes(free)));
        findings.push(Finding::ok(Check::State, format!("{} {what}{free}", root.display())));
    }
    findings
}

fn little_room(there: &Path, free_bytes: Option<u64>) -> Option<Finding> {
    let free_bytes = free_bytes.filter(|free| *free < LITTLE_ROOM_BYTES)?;
    let message = format!("{} has only {} free", there.display(), bytes(free_bytes));
    Some(Finding::warning(Check::State, message, "Make room, or an upload cannot keep what it needs to go on."))
}

/// Keys and owner tokens are for nobody else's eyes.
fn open_to_others(root: &Path) -> Option<Finding> {
    let open = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|data| !data.is_symlink() && data.permissions().mode() & OTHERS != 0)
    };
    let found = below(root).into_iter().find(open)?;
    let message = format!("others may look into {}", found.display());
    Some(Finding::warning(Check::State, message, format!("Run: chmod -R go= {:?}", root.display().to_string())))
}

/// The folder and everything in it; three steps down there is nothing of ours.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_owned()];
    let mut level = all.clone();
    for _ in 0..3 {
        level = level.iter().flat_map(|folder| children(folder)).collect();
        all.extend_from_slice(&level);
    }
    all.retain(|path| path.symlink_metadata().is_ok());
    all
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let is_folder = folder.symlink_metadata().is_ok_and(|data| data.is_dir());
    let entries = is_folder.then(|| std::fs::read_dir(folder).ok()).flatten();
    entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn leftovers(root: &Path, now: Timestamp) -> Option<Finding> {
    let store = Store::at(root);
    let half_made = [root.join("uploads"), root.join("sent")].into_iter().flat_map(|folder| children(&folder));
    let mut damaged: Vec<PathBuf> = half_made.filter(|path| is_half_made(path) && is_stale(path, now)).collect();
    let (unfinished, folders) = store.unfinished().unwrap_or_default();
    damaged.extend(folders);
    damaged.extend(store.records().unwrap_or_default().damaged);
    if let Some(first) = damaged.first() {
        let message = format!("{} cannot be used any more, such as {}", files(damaged.len()), first.display());
        return Some(Finding::warning(Check::State, message, "They are safe to remove."));
    }
    let forgotten = |upload: &&Unfinished| {
        let age = |begun: Timestamp| now.as_second().saturating_sub(begun.as_second());
        !upload.in_use && upload.begun_at.is_some_and(|begun| age(begun) > FORGOTTEN_SECONDS)
    };
    let oldest = unfinished.iter().rfind(forgotten)?;
    let count = unfinished.iter().filter(forgotten).count();
    let age = span(oldest.begun_at.map_or(0, |begun| now.as_second().abs_diff(begun.as_second())));
    let message = format!("{count} unfinished uploads of long ago, the oldest begun {age} ago");
    Some(Finding::warning(Check::State, message, "haulier list shows them, haulier rm ID gives one up."))
}

fn files(count: usize) -> String {
    if count == 1 { "1 file or folder".into() } else { format!("{count} files or folders") }
}

fn is_half_made(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
    hidden || path.extension().is_some_and(|extension| extension == "new")
}

fn is_stale(path: &Path, now: Timestamp) -> bool {
    let changed = path.symlink_metadata().ok().and_then(|data| data.modified().ok());
    let changed = changed.and_then(|time| Timestamp::try_from(time).ok());
    changed.is_some_and(|changed| now.as_second().saturating_sub(changed.as_second()) > STALE_SECONDS)
}
