//! Which files are whole: a file is, once every chunk that covers it has arrived.

use haulier_format::{ChunkLayout, FileEntry};

/// Counts the chunks that each file still waits for.
#[derive(Debug)]
pub(crate) struct Tally {
    chunk_size: u64,
    /// Offset of each file's first byte, and of the byte behind its last.
    spans: Vec<(u64, u64)>,
    left: Vec<u32>,
}

impl Tally {
    /// Begins with no chunk arrived. `files` in the order of their offsets.
    pub(crate) fn new(files: &[FileEntry], layout: &ChunkLayout) -> Self {
        let chunks = |file: &FileEntry| u32::try_from(file.chunks(layout).len()).unwrap_or(u32::MAX);
        Self {
            chunk_size: u64::from(layout.chunk_size()),
            spans: files.iter().map(|file| (file.offset, file.offset + file.size)).collect(),
            left: files.iter().map(chunks).collect(),
        }
    }

    /// How many files are whole without any chunk: the empty ones.
    pub(crate) fn empty_files(&self) -> usize {
        self.left.iter().filter(|left| **left == 0).count()
    }

    /// Notes that a chunk arrived, which must be told once only; returns how many files became whole by it.
    pub(crate) fn arrived(&mut self, index: u32) -> usize {
        let start = u64::from(index) * self.chunk_size;
        let end = start + self.chunk_size;
        let first = self.spans.partition_point(|(_, file_end)| *file_end <= start);
        let covered = (first..self.spans.len()).take_while(|file| self.spans[*file].0 < end);
        let mut whole = 0;
        for file in covered {
            let (file_start, file_end) = self.spans[file];
            if file_start < file_end {
                self.left[file] = self.left[file].saturating_sub(1);
                whole += usize::from(self.left[file] == 0);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests;
