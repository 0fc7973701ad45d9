//! What becomes of a part that nobody goes on with. Only what a get made is removed: a file that somebody put into its
//! folder is theirs. Which files those are stands beside the part, for the day when the transfer is gone and cannot say.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use haulier_format::TransferId;
use rustix::fs::OFlags;

use super::super::chunk_log::{ChunkLog, is_own_file};
use super::super::part::{remove_part, rename_new};
use super::super::selection::Piece;
use super::super::target::parent_of;

/// No list of paths is longer: 10,000 paths of 1 KiB.
const MAX_NAMES_BYTES: u64 = 16 << 20;
/// Other things with the same name can be in the way only so often.
const TRIES: u32 = 100;

/// Notes which files a part consists of. Best effort: without it, more is left and less removed.
pub(super) fn note_names(part: &Path, pieces: &[Piece]) {
    let path = names_of(part);
    let _ = fs::remove_file(&path);
    let text: String = pieces.iter().flat_map(|piece| [piece.path.as_str(), "\n"]).collect();
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
}

/// Forgets them.
pub(super) fn remove_names(part: &Path) {
    let _ = fs::remove_file(names_of(part));
}

fn names_of(part: &Path) -> PathBuf {
    part.with_extension("names")
}

/// No path of a transfer holds a line end.
fn read_names(part: &Path) -> Option<String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(names_of(part)).ok()?;
    let mut text = String::new();
    let is_ours = is_own_file(&file.metadata().ok()?);
    file.take(MAX_NAMES_BYTES).read_to_string(&mut text).ok()?;
    is_ours.then_some(text)
}

/// Makes room for a new part; returns where that is which is not ours, if there was any.
pub(super) fn clear(part: &Path, pieces: &[Piece], id: &TransferId) -> io::Result<Option<PathBuf>> {
    // What an earlier run made of another selection has another name: these are the files.
    if !remove_part(part, pieces.iter().map(|piece| piece.path.as_str()))? {
        return Ok(None);
    }
    for number in 1..=TRIES {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let aside = parent_of(part).join(format!("haulier-found-{}{suffix}", &id.as_str()[..8]));
        match rename_new(part, &aside, true) {
            Ok(()) => return Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes what earlier runs kept of a transfer that is gone, where the same command would have looked for it; returns the
/// folders that stay, since something else is in them. Blocks.
pub(in crate::receive) fn forget(id: &TransferId, output: Option<&Path>) -> Vec<PathBuf> {
    let folder = match output {
        None => Path::new("."),
        Some(path) if path.is_dir() => path,
        Some(path) => parent_of(path),
    };
    let prefix = format!(".haulier-{id}-");
    let mut stay = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_log = path.extension().is_some_and(|extension| extension == "chunks");
        if !is_log || !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        // Any key will do: the lock alone matters.
        if let Ok((log, _)) = ChunkLog::claim(&path, [0; blake3::OUT_LEN]) {
            let part = path.with_extension("part");
            let names = read_names(&part).unwrap_or_default();
            if remove_part(&part, names.lines()).unwrap_or(false) {
                stay.push(part.clone());
            }
            remove_names(&part);
            let _ = fs::remove_file(part.with_extension("arriving"));
            let _ = log.remove();
        }
    }
    stay
}
