//! What is kept of a get between two runs of the same command: the part and its log, beside the target.
//!
//! Both stay when a run ends early, so that the next one goes on; they go when the target is there, or when what they
//! hold can be of no use any more.

mod leftover;
mod moved;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use haulier_format::{ChunkIndex, ChunkLayout, TransferId};
use haulier_wire::limit::SEALED_OVERHEAD_BYTES;

use super::arriving::{self, Arriving, Spot};
use super::chunk_log::{ChunkLog, Found, Slot};
use super::part::Part;
use super::selection::Piece;
use super::target::Target;
use crate::error::Error;
use crate::window::WINDOW_BYTES;

pub(super) use leftover::forget;
pub(super) use moved::take_along;

/// The target's part and its log, locked for this process.
#[derive(Debug)]
pub(super) struct Kept {
    target: Target,
    layout: ChunkLayout,
    part: Part,
    /// Where the part's folder of an earlier run is now, since something else was in it.
    set_aside: Option<PathBuf>,
    log: ChunkLog,
    arriving: Arc<Arriving>,
    /// Whether at least one chunk is in it.
    holds_some: AtomicBool,
    /// Whether it became the target, or was removed.
    over: AtomicBool,
    /// Whether the run is at its end. Read while a chunk is written: whoever sets it has waited for all of them.
    ended: RwLock<bool>,
    syncing: Mutex<()>,
}

impl Kept {
    /// Opens what an earlier run kept for this target, or begins. Blocks. [`Found`] says what was there.
    ///
    /// `secrets` is what nobody else who can write to this disk has: the download token, which others with the link know,
    /// and the machine's own key, without which they could plant a log and a part.
    ///
    /// # Errors
    /// [`Error::TargetInUse`], [`Error::TargetUnwritable`] and [`Error::NoRoom`].
    pub(super) fn open(
        target: Target,
        id: &TransferId,
        layout: ChunkLayout,
        secrets: (&str, &[u8; 32]),
    ) -> Result<(Self, Found), NotOpened> {
        let beside = beside(&target, id);
        let key = log_key(&target, id, &layout, secrets);
        let claimed = ChunkLog::claim(&beside.with_extension("chunks"), key);
        let (log, mut found) = claimed.map_err(|error| at_target(error, &target.path))?;
        let mut set_aside = None;
        match Self::part(&beside.with_extension("part"), &target, &log, (id, &mut found, &mut set_aside)) {
            Ok(part) => {
                let path = beside.with_extension("arriving");
                let chunk_bytes = u64::from(layout.chunk_size()) + SEALED_OVERHEAD_BYTES;
                let room_bytes = part.spare_bytes().min(WINDOW_BYTES);
                let arriving = Arc::new(Arriving::open(path, chunk_bytes, room_bytes, found == Found::Same));
                let (holds_some, over) = (AtomicBool::new(false), AtomicBool::new(false));
                let (ended, syncing) = (RwLock::new(false), Mutex::new(()));
                Ok((Self { target, layout, part, set_aside, log, arriving, holds_some, over, ended, syncing }, found))
            }
            Err(error) => {
                // With a part that an earlier run left, the log is worth keeping.
                if found != Found::Same {
                    let _ = log.remove();
                }
                Err(NotOpened { error: at_target(error, &target.path), set_aside })
            }
        }
    }

    fn part(
        path: &Path,
        target: &Target,
        log: &ChunkLog,
        (id, found, set_aside): (&TransferId, &mut Found, &mut Option<PathBuf>),
    ) -> Result<Part, Error> {
        let (folder, pieces) = (target.selection.folder, target.selection.pieces.as_slice());
        let unwritable = |error| Error::unwritable(path, error);
        let arriving = path.with_extension("arriving");
        if *found == Found::Same {
            // The beginnings of chunks may be given up for room.
            if let Some(part) = Part::reopen(path, folder, pieces, arriving::occupied_bytes(&arriving))? {
                if folder {
                    leftover::note_names(path, pieces);
                }
                return Ok(part);
            }
            *found = Found::Unusable;
            log.clear().map_err(unwritable)?;
        }
        *set_aside = leftover::clear(path, pieces, id).map_err(unwritable)?;
        // Of no use without the part, and in the way of the new one where there is little room.
        let _ = fs::remove_file(arriving);
        if folder {
            // Before the part, so that there is never one whose files nobody knows.
            leftover::note_names(path, pieces);
        }
        Part::create(path, folder, pieces).inspect_err(|_| leftover::remove_names(path))
    }

    /// The chunks that the log says are there. Blocks.
    pub(super) fn noted(&self) -> Result<Vec<(u32, Slot)>, Error> {
        self.log.slots(&self.target.selection.chunks).map_err(|error| self.unwritable(error))
    }

    /// Whether a chunk's place in the part still holds what it held when it was noted. Blocks.
    pub(super) fn still_holds(&self, index: u32, slot: &Slot) -> bool {
        let place = ChunkIndex::new(index)
            .and_then(|index| Some((self.layout.plaintext_offset(index), self.layout.plaintext_len(index)?)));
        let Some((offset, len)) = place else { return false };
        let mut hasher = self.log.hasher(index);
        let read = self.part.read(offset, usize::try_from(len).unwrap_or(usize::MAX), &mut hasher);
        let holds = read.is_ok() && hasher.finalize() == *slot;
        self.holds_some.fetch_or(holds, Ordering::Relaxed);
        holds
    }

    /// Writes an opened chunk and notes it. Blocks; many threads may at once.
    ///
    /// # Errors
    /// [`Error::TargetUnwritable`]; [`Error::Internal`] after [`Kept::close`].
    pub(super) fn take(&self, index: ChunkIndex, plaintext: &[u8]) -> Result<(), Error> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return Err(Error::Internal("a chunk came after the end"));
        }
        let offset = self.layout.plaintext_offset(index);
        let mut hasher = self.log.hasher(index.get());
        let written =
            self.part.write(plaintext, offset, &mut hasher).and_then(|()| self.log.note(index.get(), &hasher));
        written.map_err(|error| self.unwritable(error))?;
        self.holds_some.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Where the beginning of a chunk is kept while the rest is on its way.
    pub(super) fn spot(&self, index: u32) -> Spot {
        self.arriving.spot(index)
    }

    /// Makes what was written so far durable, so that little is left for the end; not while another call does. Blocks.
    pub(super) fn sync_some(&self) -> Result<(), Error> {
        match self.syncing.try_lock() {
            Ok(_only) => self.part.sync_some().map_err(|error| self.unwritable(error)),
            Err(_) => Ok(()),
        }
    }

    /// Gives the whole its name. Blocks.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `replace`, and [`Error::TargetUnwritable`]; all is then still there.
    pub(super) fn publish(&self, replace: bool) -> Result<PathBuf, Error> {
        self.part.publish(&self.target.path, replace)?;
        self.over.store(true, Ordering::Relaxed);
        // None of these says anything without a part; the log is the lock, and goes last.
        self.arriving.remove();
        leftover::remove_names(self.part.path());
        let _ = self.log.remove();
        Ok(self.target.path.clone())
    }

    /// Ends a run that failed: keeps what has arrived and returns true, or removes all when that is nothing, or of no use
    /// any more. Blocks.
    ///
    /// A task that is given up leaves its thread at work. Only when that was waited for, and nothing more is taken, is it
    /// certain what is held.
    pub(super) fn close(&self, is_for_good: bool) -> bool {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
        self.arriving.end();
        let is_kept = !is_for_good && self.holds_some();
        if !is_kept {
            self.discard();
        }
        is_kept
    }

    /// Removes it, since it can be of no use any more. Blocks.
    pub(super) fn discard(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.part.remove();
            self.arriving.remove();
            leftover::remove_names(self.part.path());
            let _ = self.log.remove();
        }
    }

    /// Where the part is.
    pub(super) fn part_path(&self) -> &Path {
        self.part.path()
    }

    /// Where files are that were in the way and are not ours.
    pub(super) fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Whether anything would be lost if it were removed.
    pub(super) fn holds_some(&self) -> bool {
        self.holds_some.load(Ordering::Relaxed) || self.arriving.holds_some()
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.target.selection.pieces
    }

    pub(super) fn chunks(&self) -> &[Range<u32>] {
        &self.target.selection.chunks
    }

    fn unwritable(&self, error: io::Error) -> Error {
        Error::unwritable(&self.target.path, error)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.holds_some() {
            self.discard();
        }
    }
}

/// Why nothing was begun, and what was done on the way there.
#[derive(Debug)]
pub(super) struct NotOpened {
    pub(super) error: Error,
    /// Where files are that were in the way and are not ours.
    pub(super) set_aside: Option<PathBuf>,
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        Self { error, set_aside: None }
    }
}

/// `.haulier-ID-TAG`, in the target's folder: other targets there have other tags.
fn beside(target: &Target, id: &TransferId) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    hasher.update(target.path.file_name().unwrap_or_default().as_encoded_bytes());
    for piece in &target.selection.pieces {
        hasher.update(b"\0").update(&piece.offset.to_be_bytes()).update(place_of(piece, target).as_bytes());
    }
    let tag = hasher.finalize().to_hex();
    target.parent().join(format!(".haulier-{id}-{}", &tag[..8]))
}

/// Where a piece lies among the others. A single one has the same content whether it is to be a file or a folder of one:
/// which of the two can change from one run to the next.
fn place_of<'t>(piece: &'t Piece, target: &Target) -> &'t str {
    if target.selection.pieces.len() == 1 { "" } else { &piece.path }
}

/// Everything that the part's content depends on, and the secrets.
fn log_key(target: &Target, id: &TransferId, layout: &ChunkLayout, (token, machine): (&str, &[u8; 32])) -> Slot {
    let mut hasher = blake3::Hasher::new_derive_key("haulier v1 log of received chunks");
    hasher.update(machine).update(token.as_bytes()).update(b"\0").update(id.as_str().as_bytes()).update(b"\0");
    for number in [layout.file_size(), layout.chunk_size().into(), target.selection.pieces.len() as u64] {
        hasher.update(&number.to_be_bytes());
    }
    for piece in &target.selection.pieces {
        let place = place_of(piece, target);
        for number in [piece.offset, piece.size, place.len() as u64] {
            hasher.update(&number.to_be_bytes());
        }
        hasher.update(place.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Names the target, which the person knows, in place of the hidden part.
fn at_target(error: Error, target: &Path) -> Error {
    match error {
        Error::TargetUnwritable { source, .. } => Error::TargetUnwritable { path: target.to_owned(), source },
        other => other,
    }
}

#[cfg(test)]
mod tests;
