//! The same command, and a folder that stands there now: what `-o NAME` began as NAME goes on inside of the folder NAME.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use haulier_format::TransferId;
use rustix::fs::OFlags;

use super::super::target::{Target, exists};
use super::beside;

/// Takes along what an earlier run kept for `output` itself, if the target lies in it now and has nothing of its own. Best
/// effort: what cannot be taken along travels again. Blocks.
pub(in crate::receive) fn take_along(target: &Target, output: &Path, id: &TransferId) {
    if target.path == output {
        return;
    }
    let before = beside(&Target { path: output.to_owned(), selection: target.selection.clone() }, id);
    let (from, to) = (|kind| before.with_extension(kind), |kind| beside(target, id).with_extension(kind));
    if !exists(&from("chunks")) || exists(&to("chunks")) || exists(&to("part")) {
        return;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let Ok(log) = File::options().read(true).write(true).custom_flags(flags).open(from("chunks")) else { return };
    // Whoever holds the lock is still at work.
    if log.try_lock().is_err() {
        return;
    }
    // The log goes last: a log without a part says nothing, and a part without a log is not looked at.
    let moved = fs::rename(from("part"), to("part")).and_then(|()| fs::rename(from("chunks"), to("chunks")));
    if moved.is_ok() {
        for kind in ["names", "arriving"] {
            let _ = fs::rename(from(kind), to(kind));
        }
    }
}
