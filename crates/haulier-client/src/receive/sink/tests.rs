//! Nothing appears before all is there, and nothing is overwritten unasked.

use std::os::unix::fs::symlink;

use tempfile::{TempDir, tempdir};

use super::*;

fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn pieces(sizes: &[(&str, u64)]) -> Shape {
    let mut offset = 0;
    let piece = |(path, size): &(&str, u64)| {
        let piece = Piece { path: path.into(), offset, size: *size };
        offset += size;
        piece
    };
    Shape::Folder(sizes.iter().map(piece).collect())
}

#[test]
fn a_file_appears_whole_and_under_its_name_only_at_the_end() {
    let dir = tempdir().unwrap();
    let target = dir.path().join("a");
    let sink = Sink::create(&target, Shape::File, 6, "x").unwrap();
    assert_eq!(mode(&dir.path().join(".haulier-x.part")), 0o600);
    sink.write_at(b"def", 3).unwrap();
    sink.write_at(b"abc", 0).unwrap();
    assert!(!target.exists());
    assert_eq!(sink.publish(false).unwrap(), target);
    assert_eq!(fs::read(&target).unwrap(), b"abcdef");
    assert_eq!(names(&dir), ["a"]);
    let ordinary = dir.path().join("b");
    fs::write(&ordinary, b"").unwrap();
    assert_eq!(mode(&target), mode(&ordinary));
}

#[test]
fn what_is_not_published_is_removed() {
    let dir = tempdir().unwrap();
    drop(Sink::create(&dir.path().join("a"), Shape::File, 6, "x").unwrap());
    drop(Sink::create(&dir.path().join("a"), pieces(&[("b/c", 3)]), 3, "x").unwrap());
    assert!(names(&dir).is_empty());
}

#[test]
fn a_target_that_appeared_meanwhile_is_kept() {
    let dir = tempdir().unwrap();
    let target = dir.path().join("a");
    let sink = Sink::create(&target, Shape::File, 3, "x").unwrap();
    sink.write_at(b"new", 0).unwrap();
    fs::write(&target, b"old").unwrap();
    assert!(matches!(sink.publish(false), Err(Error::TargetExists { .. })));
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(&dir), ["a"]);
}

#[test]
fn a_link_under_the_targets_name_is_neither_followed_nor_replaced() {
    let dir = tempdir().unwrap();
    let elsewhere = tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, b"old").unwrap();
    let target = dir.path().join("a");
    symlink(&victim, &target).unwrap();
    let sink = Sink::create(&target, Shape::File, 3, "x").unwrap();
    sink.write_at(b"new", 0).unwrap();
    assert!(matches!(sink.publish(false), Err(Error::TargetExists { .. })));
    let sink = Sink::create(&target, Shape::File, 3, "x").unwrap();
    sink.write_at(b"new", 0).unwrap();
    sink.publish(true).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"old");
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn a_link_under_the_temporary_name_is_refused() {
    let dir = tempdir().unwrap();
    let victim = dir.path().join("victim");
    symlink(&victim, dir.path().join(".haulier-x.part")).unwrap();
    assert!(matches!(Sink::create(&dir.path().join("a"), Shape::File, 3, "x"), Err(Error::TargetUnwritable { .. })));
    assert!(!victim.exists());
}

#[test]
fn force_replaces_a_file_and_never_a_folder() {
    let dir = tempdir().unwrap();
    let target = dir.path().join("a");
    fs::write(&target, b"old").unwrap();
    let sink = Sink::create(&target, Shape::File, 3, "x").unwrap();
    sink.write_at(b"new", 0).unwrap();
    sink.publish(true).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    let folder = dir.path().join("b");
    fs::create_dir(&folder).unwrap();
    let sink = Sink::create(&folder, Shape::File, 0, "x").unwrap();
    assert!(matches!(sink.publish(true), Err(Error::TargetExists { .. })));
    let sink = Sink::create(&folder, pieces(&[("c", 0)]), 0, "x").unwrap();
    assert!(matches!(sink.publish(true), Err(Error::TargetExists { .. })));
    assert_eq!(names(&dir), ["a", "b"]);
}

#[test]
fn one_write_reaches_every_file_that_it_covers() {
    let sizes = [("a", 3), ("empty", 0), ("d/b", 1), ("d/e/c", 5), ("last", 0)];
    let plain = b"aaabccccc";
    for step in 1..=plain.len() {
        let dir = tempdir().unwrap();
        let target = dir.path().join("t");
        let sink = Sink::create(&target, pieces(&sizes), 9, "x").unwrap();
        assert_eq!(mode(&dir.path().join(".haulier-x.part")), 0o700);
        for (number, part) in plain.chunks(step).enumerate().collect::<Vec<_>>().into_iter().rev() {
            sink.write_at(part, (number * step) as u64).unwrap();
        }
        sink.publish(false).unwrap();
        for (path, expected) in [("a", "aaa"), ("empty", ""), ("d/b", "b"), ("d/e/c", "ccccc"), ("last", "")] {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), expected, "{path} in steps of {step}");
        }
        assert_eq!(names(&dir), ["t"]);
    }
}

#[test]
fn a_link_planted_inside_is_not_followed() {
    let dir = tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, b"old").unwrap();
    let sink = Sink::create(&dir.path().join("t"), pieces(&[("a", 3)]), 3, "x").unwrap();
    let inside = dir.path().join(".haulier-x.part/a");
    fs::remove_file(&inside).unwrap();
    symlink(&victim, &inside).unwrap();
    assert!(sink.write_at(b"new", 0).is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"old");
}

#[test]
fn more_than_the_disk_holds_is_refused_before_anything_is_made() {
    let dir = tempdir().unwrap();
    let error = Sink::create(&dir.path().join("a"), Shape::File, 1 << 52, "x").unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(names(&dir).is_empty());
}
