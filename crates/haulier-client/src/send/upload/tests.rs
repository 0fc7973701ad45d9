//! Which chunks travel on resume.

use super::*;

#[test]
fn a_state_must_know_every_chunk_that_the_server_has() {
    for (recorded, missing, expected) in [
        (&[true, true, true][..], &[][..], true),
        (&[true, false, true], &[[1, 1]], true),
        (&[true, false, true], &[], false),
        (&[true, false, true], &[[2, 2]], false),
        (&[false, false, false], &[[0, 2]], true),
        (&[false, true, false], &[[0, 0], [2, 2]], true),
        (&[false, true, false], &[[0, 1]], false),
        (&[true, true, true], &[[0, 2]], true),
    ] {
        assert_eq!(knows_all_stored(recorded, missing), expected, "{recorded:?} {missing:?}");
    }
}

#[test]
fn a_server_cannot_ask_for_a_chunk_twice() {
    for (missing, expected) in [
        (&[][..], true),
        (&[[0, 0]], true),
        (&[[0, 2], [4, 9]], true),
        (&[[0, 10]], false),
        (&[[2, 1]], false),
        (&[[0, 2], [2, 3]], false),
        (&[[4, 5], [0, 1]], false),
        (&[[0, 9], [0, 9]], false),
    ] {
        assert_eq!(are_ranges(missing, 10), expected, "{missing:?}");
    }
    let many: Vec<[u32; 2]> = (0..=1_000).map(|index| [2 * index, 2 * index]).collect();
    assert!(are_ranges(&many[..1_000], 10_000) && !are_ranges(&many, 10_000));
}
