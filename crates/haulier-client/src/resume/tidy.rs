//! What processes that were killed left in the state folder: removed by the next one, since there are keys in it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use haulier_wire::Timestamp;
use zeroize::Zeroizing;

use super::{LOCK, STATE, State, TAGS, remove};

/// A folder that is being made has its lock, and then its name, within moments.
const STAGED_FOR: Duration = Duration::from_secs(3_600);
/// Servers keep an unfinished upload for 7 days after its last chunk, or as long as they are told to.
const UNFINISHED_FOR: Duration = Duration::from_secs(60 * 86_400);

/// Removes what nobody can go on with from the folder of unfinished uploads. What is in use stays. Best effort.
pub(super) fn tidy(uploads: &Path, now: Timestamp) {
    let now = SystemTime::from(now);
    for entry in fs::read_dir(uploads).into_iter().flatten().flatten() {
        let folder = entry.path();
        let staged = entry.file_name().as_encoded_bytes().starts_with(b".");
        let over = if staged { is_older(&folder, STAGED_FOR, now) } else { is_over(&folder, now) };
        if over && let Some(_held) = hold(&folder) {
            remove(&folder);
        }
    }
}

/// Whether an upload cannot go on: its input was a stream, or the server has forgotten it by now.
fn is_over(folder: &Path, now: SystemTime) -> bool {
    if is_older(&folder.join(TAGS), UNFINISHED_FOR, now) {
        return true;
    }
    let Ok(text) = fs::read(folder.join(STATE)).map(Zeroizing::new) else { return false };
    State::decode(&text).is_some_and(|(state, _)| state.request.is_stream())
}

fn is_older(path: &Path, age: Duration, now: SystemTime) -> bool {
    let modified = path.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|passed| passed > age))
}

/// Holds an upload that no process holds; one without a lock file never came far enough to be held.
fn hold(folder: &Path) -> Option<Option<File>> {
    match File::options().read(true).write(true).open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok().then_some(Some(lock)),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(None),
    }
}
