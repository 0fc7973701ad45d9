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
