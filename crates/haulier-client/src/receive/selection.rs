//! Which files of a transfer are wanted, and which chunks cover them.

use std::collections::BTreeSet;
use std::ops::Range;

use haulier_format::{ChunkLayout, FileEntry, Metadata, Opened, target_paths};

use crate::error::Error;

/// One file that is received: its place in the target and in the transfer's plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Relative to the target's folder, checked by the format; of no meaning when the target is a file.
    pub(super) path: String,
    /// Where the file begins in the plaintext, in bytes.
    pub(super) offset: u64,
    /// Bytes of the file.
    pub(super) size: u64,
    /// When it was last changed, in Unix seconds.
    pub(super) mtime: Option<i64>,
}

impl Piece {
    /// The indices of the chunks that cover it: none when it is empty.
    pub(super) fn chunks(&self, layout: &ChunkLayout) -> Range<u32> {
        let chunk = u64::from(layout.chunk_size());
        let index = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        match self.size {
            0 => 0..0,
            size => index(self.offset / chunk)..index((self.offset + size).div_ceil(chunk)),
        }
    }

    /// Where it lies in the plaintext.
    pub(super) fn span(&self) -> Range<u64> {
        self.offset..self.end()
    }

    fn end(&self) -> u64 {
        self.offset + self.size
    }
}

/// What is wanted of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The target's name, where no other is asked for.
    pub(super) name: String,
    /// Whether the target is a folder.
    pub(super) folder: bool,
    /// The files, in the order of their offsets.
    pub(super) pieces: Vec<Piece>,
    /// The chunks, as ranges in ascending order that do not touch.
    pub(super) chunks: Vec<Range<u32>>,
}

impl Selection {
    /// Picks the files at, or below, these paths; all of them when there is no path.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`].
    pub(super) fn new(opened: &Opened, only: &[String]) -> Result<Self, Error> {
        let layout = opened.layout();
        let Some(metadata) = opened.metadata() else {
            return match only.first() {
                Some(path) => Err(Error::NoSuchPath { path: path.clone() }),
                None => Ok(Self::of_seed(opened)),
            };
        };
        Self::of(metadata, layout, only)
    }

    fn of(metadata: &Metadata, layout: &ChunkLayout, only: &[String]) -> Result<Self, Error> {
        let files: Vec<Piece> = target_paths(&metadata.files).into_iter().zip(&metadata.files).map(piece).collect();
        if only.is_empty() {
            let chunks = std::iter::once(0..layout.total_chunks()).collect();
            let folder = files.len() > 1;
            return Ok(Self { name: metadata.name.clone(), folder, pieces: files, chunks });
        }
        let mut wanted = BTreeSet::new();
        for path in only {
            wanted.extend(at_or_below(&metadata.files, path)?);
        }
        let (name, folder, root) = match (only, wanted.len()) {
            ([path], _) if metadata.files.iter().all(|file| file.path != trimmed(path)) => {
                (last(path), true, trimmed(path))
            }
            (_, 1) => ("", false, ""),
            _ => (metadata.name.as_str(), true, ""),
        };
        let mut pieces: Vec<Piece> = wanted.iter().map(|&place| files[place].clone()).collect();
        let name = if folder { name.to_owned() } else { last(&pieces[0].path).to_owned() };
        for piece in &mut pieces {
            let below = piece.path.strip_prefix(root).map(|rest| rest.trim_start_matches('/').to_owned());
            piece.path = below.unwrap_or_default();
        }
        let chunks = covering(&pieces, layout);
        Ok(Self { name, folder, pieces, chunks })
    }

    fn of_seed(opened: &Opened) -> Self {
        let size = opened.layout().file_size();
        let piece = Piece { path: opened.name().to_owned(), offset: 0, size, mtime: None };
        let chunks = std::iter::once(0..opened.layout().total_chunks()).collect();
        Self { name: opened.name().to_owned(), folder: false, pieces: vec![piece], chunks }
    }

    /// Takes a single file with folders in its path, such as `photos/a.jpg`, as the folder `photos` with `a.jpg` in it.
    pub(super) fn into_folder_of_one(mut self) -> Self {
        if let Some((folder, rest)) = self.name.split_once('/').filter(|_| !self.folder) {
            let (folder, rest) = (folder.to_owned(), rest.to_owned());
            for piece in &mut self.pieces {
                piece.path.clone_from(&rest);
            }
            self.name = folder;
            self.folder = true;
        }
        self
    }

    /// Bytes of plaintext that are wanted.
    pub(super) fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.size).sum()
    }
}

/// Where parts of one chunk belong: which piece, from where in it, and which bytes of the chunk.
pub(super) fn overlaps(
    pieces: &[Piece],
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (&Piece, usize, u64, Range<usize>)> {
    let end = offset + len as u64;
    let first = pieces.partition_point(|piece| piece.end() <= offset);
    let touched = pieces[first..].iter().enumerate().take_while(move |(_, piece)| piece.offset < end);
    touched.filter(|(_, piece)| piece.size > 0).map(move |(place, piece)| {
        let (from, to) = (piece.offset.max(offset), piece.end().min(end));
        (piece, first + place, from - piece.offset, usize_of(from - offset)..usize_of(to - offset))
    })
}

fn at_or_below(files: &[FileEntry], path: &str) -> Result<Vec<usize>, Error> {
    let wanted = trimmed(path);
    let lies_below =
        |file: &FileEntry| file.path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let found: Vec<usize> = (0..files.len()).filter(|&place| lies_below(&files[place])).collect();
    if found.is_empty() || wanted.is_empty() { Err(Error::NoSuchPath { path: path.to_owned() }) } else { Ok(found) }
}

fn covering(pieces: &[Piece], layout: &ChunkLayout) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for range in pieces.iter().map(|piece| piece.chunks(layout)).filter(|range| !range.is_empty()) {
        match ranges.last_mut() {
            Some(before) if range.start <= before.end => before.end = before.end.max(range.end),
            _ => ranges.push(range),
        }
    }
    ranges
}

fn piece((path, file): (String, &FileEntry)) -> Piece {
    Piece { path, offset: file.offset, size: file.size, mtime: file.mtime }
}

/// A folder may be named with or without a slash at its end.
fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn last(path: &str) -> &str {
    let path = trimmed(path);
    path.rsplit('/').next().unwrap_or(path)
}

fn usize_of(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
