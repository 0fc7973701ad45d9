//! Files that share chunks, span chunks, and hold nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use haulier_format::ByteLen;

use super::*;

#[derive(Default)]
struct Whole(AtomicUsize);

impl Progress for Whole {
    fn on(&self, event: Event) {
        assert_eq!(event, Event::FileDone);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn tally(sizes: &[u64]) -> (Tally, Arc<Whole>) {
    let mut end = 0;
    let spans: Vec<Range<u64>> = sizes
        .iter()
        .map(|size| {
            end += size;
            end - size..end
        })
        .collect();
    let whole = Arc::new(Whole::default());
    let layout = ChunkLayout::new(ByteLen::new(end).unwrap(), 65_536).unwrap();
    (Tally::new(spans.into_iter(), &layout, Arc::<Whole>::clone(&whole)), whole)
}

#[test]
fn a_file_is_whole_with_its_last_chunk_in_any_order() {
    // Chunk 0: all of the first file, a piece of the second; chunks 1 and 2: the rest of it; chunk 2 ends in the last.
    let sizes = [100, 150_000, 0, 20_000];
    for (order, expected) in [([0, 1, 2], [2, 2, 4]), ([2, 1, 0], [2, 2, 4]), ([1, 0, 2], [1, 2, 4])] {
        let (tally, whole) = tally(&sizes);
        assert_eq!(whole.0.load(Ordering::Relaxed), 1, "the empty one");
        let counts = order.map(|index| {
            tally.arrived(index);
            whole.0.load(Ordering::Relaxed)
        });
        assert_eq!(counts, expected, "{order:?}");
    }
}

#[test]
fn thousands_of_files_in_one_chunk_are_whole_at_once() {
    let (tally, whole) = tally(&[7; 9_000]);
    assert_eq!(whole.0.load(Ordering::Relaxed), 0);
    tally.arrived(0);
    assert_eq!(whole.0.load(Ordering::Relaxed), 9_000);
}
