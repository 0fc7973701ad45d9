//! Files that are there, that are not, and that are too short.

use super::*;

#[tokio::test]
async fn a_file_is_opened_when_it_is_long_enough() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("file");
    assert!(long_enough(path.clone(), 0).await.expect("answered").is_none());
    std::fs::write(&path, b"12345").expect("written");
    for (least, is_opened) in [(0, true), (5, true), (6, false)] {
        assert_eq!(long_enough(path.clone(), least).await.expect("answered").is_some(), is_opened, "{least}");
    }
    assert!(long_enough(path.join("below a file"), 0).await.is_err());
}

/// Otherwise every read would take the long way, and nobody would see.
#[cfg(target_os = "linux")]
#[test]
fn what_was_used_just_now_is_opened_at_once() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, b"12345").expect("written");
    let (mut file, len) = open_known(&path).expect("known");
    let mut read = String::new();
    io::Read::read_to_string(&mut file, &mut read).expect("read");
    assert_eq!((len, read.as_str()), (5, "12345"));
    assert_eq!(open_waiting(&path).expect("there").1, 5);
}
