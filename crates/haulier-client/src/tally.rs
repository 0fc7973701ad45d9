//! Which files are whole: a file is, once every chunk that covers it has arrived.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use haulier_format::ChunkLayout;

use crate::progress::{Event, Progress};

/// Counts the chunks that each file still waits for, and tells when a file has all of them.
pub(crate) struct Tally {
    chunk_size: u64,
    /// Where each file lies in the plaintext, in ascending order.
    spans: Vec<Range<u64>>,
    left: Mutex<Vec<u32>>,
    progress: Arc<dyn Progress>,
}

impl Tally {
    /// Begins with no chunk arrived; files without a byte are whole at once.
    pub(crate) fn new(
        spans: impl Iterator<Item = Range<u64>>,
        layout: &ChunkLayout,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let chunk_size = u64::from(layout.chunk_size());
        let spans: Vec<_> = spans.collect();
        let chunks = |span: &Range<u64>| match span.is_empty() {
            true => 0,
            false => u32::try_from(span.end.div_ceil(chunk_size) - span.start / chunk_size).unwrap_or(u32::MAX),
        };
        let left: Vec<u32> = spans.iter().map(chunks).collect();
        left.iter().filter(|left| **left == 0).for_each(|_| progress.on(Event::FileDone));
        Self { chunk_size, spans, left: Mutex::new(left), progress }
    }

    /// Notes that a chunk arrived, which must be told once only.
    pub(crate) fn arrived(&self, index: u32) {
        let start = u64::from(index) * self.chunk_size;
        let end = start + self.chunk_size;
        let first = self.spans.partition_point(|span| span.end <= start);
        let touched = self.spans[first..].iter().enumerate().take_while(|(_, span)| span.start < end);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, _) in touched.filter(|(_, span)| !span.is_empty()) {
            left[first + place] = left[first + place].saturating_sub(1);
            if left[first + place] == 0 {
                self.progress.on(Event::FileDone);
            }
        }
    }
}

#[cfg(test)]
mod tests;
