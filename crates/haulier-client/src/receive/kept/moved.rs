//! The same command, and a folder that stands there now: what `-o NAME` began as NAME goes on inside of the folder NAME.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use haulier_format::TransferId;
use rustix::fs::OFlags;

use super::super::part::rename_new;
use super::super::target::{Target, exists, parent_of};
use super::beside;

/// Takes along what an earlier run kept for `output` itself, if the target lies in it now and has nothing of its own. Best
/// effort: what cannot be taken along travels again. Can be stopped anywhere: the next run takes the rest. Blocks.
pub(in crate::receive) fn take_along(target: &Target, output: &Path, id: &TransferId) {
    if target.path == output {
        return;
    }
    let before = beside(&Target { path: output.to_owned(), selection: target.selection.clone() }, id);
    let (from, to) = (|kind| before.with_extension(kind), |kind| beside(target, id).with_extension(kind));
    if !exists(&from("chunks")) || exists(&to("chunks")) {
        return;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let Ok(log) = File::options().read(true).write(true).custom_flags(flags).open(from("chunks")) else { return };
    // Whoever holds the lock is still at work.
    if log.try_lock().is_err() {
        return;
    }
    for kind in ["names", "arriving"] {
        let _ = rename_new(&from(kind), &to(kind), false);
    }
    if exists(&from("part")) && take_part(target, &from("part"), &to("part")).is_err() {
        return;
    }
    // The log goes last: while it is at its old place, the rest is looked for there.
    let _ = rename_new(&from("chunks"), &to("chunks"), false);
}

/// A single file whose name has folders in it was to be that file; inside of a folder it comes with its own.
fn take_part(target: &Target, from: &Path, to: &Path) -> io::Result<()> {
    let is_folder = from.symlink_metadata()?.is_dir();
    let ([piece], true, false) = (target.selection.pieces.as_slice(), target.selection.folder, is_folder) else {
        return rename_new(from, to, is_folder);
    };
    let place = to.join(&piece.path);
    // A link in the folder's place is not led through.
    if exists(to) && !to.symlink_metadata()?.is_dir() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    DirBuilder::new().mode(0o700).recursive(true).create(parent_of(&place))?;
    rename_new(from, &place, false)
}
