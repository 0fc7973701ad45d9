//! Where a transfer goes: the name under which it appears, and the shape that it has there.

use std::io;
use std::path::{Path, PathBuf};

use super::selection::Selection;
use crate::error::Error;

/// A place for what is wanted, which nothing stands at.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) selection: Selection,
}

impl Target {
    /// Decides where it goes: `output`, or the selection's name in `output` if that is a folder, or in the current one.
    /// Blocks.
    ///
    /// # Errors
    /// [`Error::TargetExists`], and [`Error::TargetUnwritable`] for a folder that is not there: at once, rather than after
    /// the last chunk.
    pub(super) fn choose(selection: Selection, output: Option<PathBuf>, force: bool) -> Result<Self, Error> {
        let target = Self::place(selection, output);
        // A pipe or a device under that name is not what anyone means to replace.
        let is_plain = target.path.symlink_metadata().is_ok_and(|found| found.is_file() || found.is_symlink());
        let replaceable = force && !target.selection.folder && is_plain && !target.path.is_dir();
        if !target.selection.folder && target.path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(Error::unwritable(target.path, io::Error::other("there is no such folder")));
        }
        if exists(&target.path) && !replaceable {
            return Err(Error::TargetExists { path: target.path });
        }
        Ok(target)
    }

    fn place(selection: Selection, output: Option<PathBuf>) -> Self {
        let folder = match output {
            None => PathBuf::new(),
            Some(path) if path.is_dir() => path,
            Some(path) => return Self { path, selection },
        };
        let selection = selection.into_folder_of_one();
        Self { path: folder.join(visible(&selection.name)), selection }
    }

    /// Says that it has another name than the sender's, which begins with a dot.
    pub(super) fn undotted(&self) -> Option<Undotted> {
        let (sent, here) = (&self.selection.name, visible(&self.selection.name));
        let differs = here != *sent && self.path.file_name().is_some_and(|name| name == here.as_str());
        differs.then(|| Undotted { sent: sent.clone(), here })
    }

    /// The folder in which the target appears.
    pub(super) fn parent(&self) -> &Path {
        parent_of(&self.path)
    }
}

/// A sender's name that is not taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undotted {
    /// The sender's.
    pub(super) sent: String,
    /// The one in its place.
    pub(super) here: String,
}

/// A name that nobody here asked for never begins with a dot: files that do are not shown, and programs obey them
/// (`.bashrc`, `.ssh`).
fn visible(name: &str) -> String {
    name.strip_prefix('.').map_or_else(|| name.to_owned(), |rest| format!("_{rest}"))
}

/// The folder that a path lies in.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether something, also a broken link, stands under the name.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests;
