//! What lies in the folders, name by name: walked on a thread of its own, at most so far ahead of whoever reads it.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use haulier_wire::Timestamp;
use tokio::sync::mpsc;

use crate::blob::Listed;
use crate::store::StoreError;

/// Entries that are read ahead.
const MAX_AHEAD: usize = 256;
/// The folders in a transfer's folder.
const FOLDERS: [&str; 2] = ["chunks", "payloads"];

/// The folders below `transfers/`; anything else there comes under a name that is none of ours.
pub(super) fn transfers(folder: PathBuf) -> BoxStream<'static, Result<String, StoreError>> {
    walk(move |found| {
        each(&folder, &mut |entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type()?.is_dir();
            found(if is_folder { name } else { format!("{name} (not a folder)") });
            Ok(())
        })
    })
}

/// The files of one transfer's folder. A folder where none belongs comes as one name that ends in `/`.
pub(super) fn blobs_of(folder: PathBuf) -> BoxStream<'static, Result<Listed, StoreError>> {
    walk(move |found| {
        each(&folder, &mut |entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !FOLDERS.contains(&&*name) || !entry.file_type()?.is_dir() {
                return listed(entry, name, found);
            }
            each(&entry.path(), &mut |entry| {
                listed(entry, format!("{name}/{}", entry.file_name().to_string_lossy()), found)
            })
        })
    })
}

fn listed(entry: &DirEntry, name: String, found: &mut dyn FnMut(Listed)) -> io::Result<()> {
    let metadata = match entry.metadata() {
        // Removed since the folder was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    let name = if metadata.is_file() { name } else { format!("{name}/") };
    let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
    found(Listed { name, len: metadata.len(), modified });
    Ok(())
}

/// Calls `look` for each entry; a folder that is not there has none.
fn each(folder: &Path, look: &mut dyn FnMut(&DirEntry) -> io::Result<()>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        look(&entry?)?;
    }
    Ok(())
}

fn walk<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(T)) -> io::Result<()> + Send + 'static,
) -> BoxStream<'static, Result<T, StoreError>> {
    let (sender, receiver) = mpsc::channel(MAX_AHEAD);
    let begin = async move {
        tokio::task::spawn_blocking(move || {
            // Whoever reads may have gone: then the rest of the walk goes nowhere.
            let mut gone = false;
            let result = work(&mut |item| gone = gone || sender.blocking_send(Ok(item)).is_err());
            if let Err(error) = result {
                let _ = sender.blocking_send(Err(error.into()));
            }
        });
        stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
    };
    stream::once(begin).flatten().boxed()
}
