//! Where a transfer goes: the name under which it appears, and the shape that it has there.

use std::path::{Path, PathBuf};

use haulier_format::{Metadata, Opened, target_paths};

use super::sink::{Piece, Shape, Sink, exists};
use crate::error::Error;

/// Decides the target and opens the sink for it. Blocks.
///
/// # Errors
/// [`Error::TargetExists`] at once, rather than after the last chunk; and those of [`Sink::create`].
pub(super) fn open(opened: &Opened, output: Option<PathBuf>, force: bool, unique: &str) -> Result<Sink, Error> {
    let target = choose(output, opened.name());
    let shape = shape(opened.metadata());
    let replaceable = force && shape == Shape::File && !target.is_dir();
    if exists(&target) && !replaceable {
        return Err(Error::TargetExists { path: target });
    }
    Sink::create(&target, shape, opened.layout().file_size(), unique)
}

/// The target's name: `output`, or the sender's name in `output` if that is a folder, or in the current one.
fn choose(output: Option<PathBuf>, name: &str) -> PathBuf {
    // A name with folders in it, which a single file's may have, is written under its last part.
    let name = name.rsplit('/').next().unwrap_or(name);
    match output {
        None => PathBuf::from(name),
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path,
    }
}

fn shape(metadata: Option<&Metadata>) -> Shape {
    let Some(metadata) = metadata.filter(|metadata| metadata.files.len() > 1) else { return Shape::File };
    let paths = target_paths(&metadata.files);
    let piece = |(path, file): (String, &haulier_format::FileEntry)| Piece {
        path: Path::new(&path).to_owned(),
        offset: file.offset,
        size: file.size,
    };
    Shape::Folder(paths.into_iter().zip(&metadata.files).map(piece).collect())
}

#[cfg(test)]
mod tests;
