//! How large the parts are.

use super::*;

#[test]
fn ten_thousand_parts_suffice_for_every_length() {
    for (total, expected) in [
        (PART_BYTES + 1, PART_BYTES),
        (MOST_PARTS * PART_BYTES, PART_BYTES),
        (MOST_PARTS * PART_BYTES + 1, 9 * MIB),
        (MOST_BYTES, 525 * MIB),
    ] {
        let len = part_len(total);
        assert_eq!(len, expected, "{total}");
        assert!(len * MOST_PARTS >= total, "{total}");
    }
}

#[test]
fn what_is_gathered_grows_within_a_quarter_of_the_memory() {
    for (number, memory, expected) in [
        (1, 256 * MIB, 8 * MIB),
        (1_000, 256 * MIB, 8 * MIB),
        (1_001, 256 * MIB, 16 * MIB),
        (2_001, 256 * MIB, 32 * MIB),
        (3_001, 256 * MIB, 64 * MIB),
        (10_000, 256 * MIB, 64 * MIB),
        (10_000, 1 << 40, 64 * MIB),
        (10_000, 100 * MIB, 25 * MIB),
        (10_000, Memory::LEAST, 8 * MIB),
    ] {
        assert_eq!(gathered_len(number, memory), expected, "part {number} with {memory}");
    }
    for (buffer_bytes, gib) in [(256 * MIB, 492), (0, 78)] {
        let buffer = Arc::new(Semaphore::new(usize::try_from(buffer_bytes).expect("small") / BLOCK_BYTES));
        let all = Memory::of(&buffer, buffer_bytes).most_gathered();
        assert_eq!(all >> 30, gib, "with {buffer_bytes}");
        assert!(all <= MOST_BYTES);
    }
}

#[test]
fn a_part_that_can_do_without_memory_leaves_a_quarter_of_it_and_never_waits() {
    let buffer = Arc::new(Semaphore::new((64 << 20) / BLOCK_BYTES));
    let memory = Memory::of(&buffer, 64 * MIB);
    let spare = |len| memory.spare(len).expect("few blocks");
    assert!(matches!(spare(48 * MIB + 1), Keeping::No), "more than three quarters");
    let parts: Vec<Keeping> = (0..6).map(|_| spare(PART_BYTES)).collect();
    assert!(parts.iter().all(|part| matches!(part, Keeping::Budgeted(_))));
    assert!(matches!(spare(1), Keeping::No));
    assert_eq!(memory.left() as u64, 16 * MIB);
    drop(parts);
    assert!(matches!(spare(48 * MIB), Keeping::Budgeted(_)));
}
