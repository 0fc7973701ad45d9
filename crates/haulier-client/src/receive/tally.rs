//! Which files have all of their chunks.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use haulier_format::{ChunkIndex, ChunkLayout};

use super::selection::{Piece, overlaps};
use crate::progress::{Event, Progress};

/// Counts the chunks of each file down, and tells when a file has all of them.
pub(super) struct Tally {
    missing: Vec<AtomicU32>,
    progress: Arc<dyn Progress>,
}

impl Tally {
    /// Tells at once of files without a byte.
    pub(super) fn new(pieces: &[Piece], layout: &ChunkLayout, progress: Arc<dyn Progress>) -> Self {
        let count = |range: Range<u32>| AtomicU32::new(range.end - range.start);
        let missing: Vec<AtomicU32> = pieces.iter().map(|piece| count(piece.chunks(layout))).collect();
        for _ in missing.iter().filter(|count| count.load(Ordering::Relaxed) == 0) {
            progress.on(Event::FileDone);
        }
        Self { missing, progress }
    }

    /// Takes note of a chunk.
    pub(super) fn arrived(&self, index: u32, pieces: &[Piece], layout: &ChunkLayout) {
        let Some(index) = ChunkIndex::new(index) else { return };
        let len = layout.plaintext_len(index).unwrap_or_default();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        for (_, place, ..) in overlaps(pieces, layout.plaintext_offset(index), len) {
            if self.missing[place].fetch_sub(1, Ordering::Relaxed) == 1 {
                self.progress.on(Event::FileDone);
            }
        }
    }
}
