//! A file that is damaged is told from a store that fails.

use std::io;

use super::*;

#[test]
fn only_what_the_system_says_of_a_file_is_damage() {
    const EIO: i32 = 5;
    let damaged = StoreError::from(io::Error::from_raw_os_error(EIO)).damaged_file().expect("damage");
    assert!(damaged.contains("os error 5"), "{damaged}");
    for passing in [
        StoreError::Full,
        StoreError::unavailable(io::Error::from_raw_os_error(EIO)),
        StoreError::internal(anyhow::anyhow!("403")),
        // An object store that breaks off in the middle of a body.
        StoreError::from(io::Error::other("broken off")),
        StoreError::from(io::Error::from(io::ErrorKind::UnexpectedEof)),
    ] {
        assert_eq!(passing.damaged_file(), None, "{passing:?}");
    }
}
