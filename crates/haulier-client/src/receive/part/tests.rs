//! Nothing appears before all is there, nothing is overwritten unasked, and nothing that was planted is used.

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

fn pieces(sizes: &[(&str, u64)]) -> Vec<Piece> {
    let mut offset = 0;
    let piece = |(path, size): &(&str, u64)| {
        let piece = Piece { path: (*path).into(), offset, size: *size, mtime: Some(1_000_000_000) };
        offset += size;
        piece
    };
    sizes.iter().map(piece).collect()
}

fn write(part: &Part, bytes: &[u8], offset: u64) {
    part.write(bytes, offset, &mut blake3::Hasher::new()).unwrap();
}

fn file(dir: &TempDir, content: &[u8]) -> Part {
    let part = Part::create(&dir.path().join(".part"), false, &pieces(&[("x", content.len() as u64)])).unwrap();
    write(&part, content, 0);
    part
}

#[test]
fn a_file_appears_whole_and_under_its_name_only_at_the_end() {
    let dir = tempdir().unwrap();
    let (hidden, target) = (dir.path().join(".part"), dir.path().join("a"));
    let part = Part::create(&hidden, false, &pieces(&[("x", 6)])).unwrap();
    assert_eq!(mode(&hidden), 0o600);
    write(&part, b"def", 3);
    write(&part, b"abc", 0);
    assert!(!target.exists());
    part.publish(&target, false).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"abcdef");
    assert_eq!(names(&dir), ["a"]);
    assert_eq!(target.metadata().unwrap().mtime(), 1_000_000_000);
    let ordinary = dir.path().join("b");
    fs::write(&ordinary, b"").unwrap();
    assert_eq!(mode(&target), mode(&ordinary));
}

#[test]
fn a_target_that_appeared_meanwhile_is_kept_and_so_is_the_part() {
    let dir = tempdir().unwrap();
    let target = dir.path().join("a");
    let part = file(&dir, b"new");
    fs::write(&target, b"old").unwrap();
    assert!(matches!(part.publish(&target, false), Err(Error::TargetExists { .. })));
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(&dir), [".part", "a"]);
    assert_eq!(mode(&dir.path().join(".part")), 0o600);
}

#[test]
fn a_link_under_the_targets_name_is_neither_followed_nor_replaced_unasked() {
    let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let (target, victim) = (dir.path().join("a"), elsewhere.path().join("victim"));
    fs::write(&victim, b"old").unwrap();
    symlink(&victim, &target).unwrap();
    let part = file(&dir, b"new");
    assert!(matches!(part.publish(&target, false), Err(Error::TargetExists { .. })));
    part.publish(&target, true).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"old");
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn force_replaces_a_file_and_never_a_folder() {
    let dir = tempdir().unwrap();
    let (target, folder) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&target, b"old").unwrap();
    file(&dir, b"new").publish(&target, true).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    fs::create_dir(&folder).unwrap();
    let part = file(&dir, b"");
    assert!(matches!(part.publish(&folder, true), Err(Error::TargetExists { .. })));
    part.remove();
    let part = Part::create(&dir.path().join(".part"), true, &pieces(&[("c", 0)])).unwrap();
    assert!(matches!(part.publish(&folder, true), Err(Error::TargetExists { .. })));
    part.remove();
    assert_eq!(names(&dir), ["a", "b"]);
}

#[test]
fn one_write_reaches_every_file_that_it_covers() {
    let sizes = [("a", 3), ("empty", 0), ("d/b", 1), ("d/e/c", 5), ("last", 0)];
    let plain = b"aaabccccc";
    for step in 1..=plain.len() {
        let dir = tempdir().unwrap();
        let (hidden, target) = (dir.path().join(".part"), dir.path().join("t"));
        let part = Part::create(&hidden, true, &pieces(&sizes)).unwrap();
        assert_eq!(mode(&hidden), 0o700);
        for (number, bytes) in plain.chunks(step).enumerate().collect::<Vec<_>>().into_iter().rev() {
            let (mut written, mut read) = (blake3::Hasher::new(), blake3::Hasher::new());
            part.write(bytes, (number * step) as u64, &mut written).unwrap();
            part.read((number * step) as u64, bytes.len(), &mut read).unwrap();
            assert_eq!(written.finalize(), read.finalize());
        }
        part.publish(&target, false).unwrap();
        for (path, expected) in [("a", "aaa"), ("empty", ""), ("d/b", "b"), ("d/e/c", "ccccc"), ("last", "")] {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), expected, "{path} in steps of {step}");
            assert_eq!(target.join(path).metadata().unwrap().mtime(), 1_000_000_000);
        }
        assert_eq!(names(&dir), ["t"]);
    }
}

#[test]
fn a_part_is_opened_again_only_as_it_was_left() {
    let dir = tempdir().unwrap();
    let (hidden, other) = (dir.path().join(".part"), dir.path().join("other"));
    let (three, four) = (pieces(&[("x", 3)]), pieces(&[("x", 4)]));
    let usable = |pieces: &[Piece]| Part::reopen(&hidden, false, pieces, 0).unwrap().is_some();
    assert!(!usable(&three), "nothing is there");
    drop(file(&dir, b"abc"));
    assert!(usable(&three));
    assert!(!usable(&four));
    assert!(Part::reopen(&hidden, true, &three, 0).unwrap().is_none(), "a file is no folder");
    fs::hard_link(&hidden, &other).unwrap();
    assert!(!usable(&three), "it has another name, under which it would change");
    fs::remove_file(&hidden).unwrap();
    symlink(&other, &hidden).unwrap();
    assert!(!usable(&three), "a link");
    remove_part(&hidden, ["x"].into_iter()).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"abc");
}

#[test]
fn a_folder_with_anything_else_in_it_is_not_used_again() {
    let dir = tempdir().unwrap();
    let (hidden, victim) = (dir.path().join(".part"), dir.path().join("victim"));
    fs::write(&victim, b"old").unwrap();
    let all = pieces(&[("a", 3), ("d/b", 3)]);
    let plants: [(&str, &dyn Fn()); 6] = [
        ("a file", &|| fs::write(hidden.join("d/planted"), b"").unwrap()),
        ("a folder", &|| fs::create_dir(hidden.join("planted")).unwrap()),
        ("a link for a file", &|| {
            fs::remove_file(hidden.join("a")).unwrap();
            symlink(&victim, hidden.join("a")).unwrap();
        }),
        ("another name of a file", &|| {
            fs::remove_file(hidden.join("a")).unwrap();
            fs::hard_link(&victim, hidden.join("a")).unwrap();
        }),
        ("a link for a folder", &|| {
            fs::rename(hidden.join("d"), dir.path().join("moved")).unwrap();
            symlink(dir.path().join("moved"), hidden.join("d")).unwrap();
        }),
        ("a folder for a file", &|| {
            fs::remove_file(hidden.join("a")).unwrap();
            fs::create_dir(hidden.join("a")).unwrap();
        }),
    ];
    for (what, plant) in plants {
        let part = Part::create(&hidden, true, &all).unwrap();
        write(&part, b"abcdef", 0);
        drop(part);
        assert!(Part::reopen(&hidden, true, &all, 0).unwrap().is_some());
        plant();
        assert!(Part::reopen(&hidden, true, &all, 0).unwrap().is_none(), "{what}");
        fs::remove_dir_all(&hidden).unwrap();
        let _ = fs::remove_dir_all(dir.path().join("moved"));
        assert_eq!(fs::read(&victim).unwrap(), b"old", "{what}");
    }
}

#[test]
fn only_what_was_made_is_removed() {
    let dir = tempdir().unwrap();
    let (hidden, victim) = (dir.path().join(".part"), dir.path().join("victim"));
    fs::write(&victim, b"old").unwrap();
    let all = pieces(&[("a", 3), ("d/b", 3), ("d/e/c", 3)]);
    let part = Part::create(&hidden, true, &all).unwrap();
    fs::write(hidden.join("d/mine"), b"mine").unwrap();
    fs::remove_file(hidden.join("a")).unwrap();
    symlink(&victim, hidden.join("a")).unwrap();
    part.remove();
    assert_eq!(fs::read(hidden.join("d/mine")).unwrap(), b"mine");
    assert!(!hidden.join("a").is_symlink() && !hidden.join("d/b").exists() && !hidden.join("d/e").exists());
    // A folder of somebody's in a link's place is not entered.
    fs::rename(hidden.join("d"), dir.path().join("d")).unwrap();
    symlink(dir.path().join("d"), hidden.join("d")).unwrap();
    fs::write(dir.path().join("d/b"), b"mine").unwrap();
    part.remove();
    assert_eq!(fs::read(dir.path().join("d/b")).unwrap(), b"mine");
    fs::remove_file(hidden.join("d")).unwrap();
    part.remove();
    assert!(!hidden.exists());
    assert_eq!(fs::read(&victim).unwrap(), b"old");
}

#[test]
fn two_names_that_the_disk_takes_for_one_are_refused_before_a_byte_is_written() {
    let dir = tempdir().unwrap();
    let hidden = dir.path().join(".part");
    // Such a disk finds the first file under the second one's name; so does any disk under the same name.
    let error = Part::create(&hidden, true, &pieces(&[("a", 3), ("d/b", 1), ("a", 3)])).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("takes \"a\" for the name of another file"), "{told}");
    assert!(matches!(error, Error::TargetUnwritable { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
    assert!(names(&dir).is_empty());
    // And a folder that stands where a file belongs.
    let error = Part::create(&hidden, true, &pieces(&[("a/b", 3), ("a", 3)])).unwrap_err();
    assert!(error.to_string().contains("another file"), "{error}");
    assert!(names(&dir).is_empty());
    // What an earlier run made is its own; what it had not made yet must be new.
    drop(Part::create(&hidden, true, &pieces(&[("a", 3), ("b", 3)])).unwrap());
    fs::remove_file(hidden.join("b")).unwrap();
    assert!(Part::reopen(&hidden, true, &pieces(&[("a", 3), ("b", 3)]), 0).unwrap().is_some());
    fs::remove_file(hidden.join("b")).unwrap();
    assert!(Part::reopen(&hidden, true, &pieces(&[("a", 3), ("b", 3), ("b", 3)]), 0).is_err());
}

#[test]
fn a_file_that_is_replaced_hands_on_its_permissions_and_no_more() {
    let dir = tempdir().unwrap();
    let target = dir.path().join("a");
    for (before, after) in [(0o600, 0o600), (0o664, 0o664), (0o755, 0o755), (0o6755, 0o755)] {
        fs::write(&target, b"old").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(before)).unwrap();
        file(&dir, b"new").publish(&target, true).unwrap();
        assert_eq!(target.metadata().unwrap().permissions().mode() & 0o7777, after, "{before:o}");
    }
    // A link is no file: what it points to keeps its permissions to itself.
    let (secret, link) = (dir.path().join("secret"), dir.path().join("link"));
    fs::write(&secret, b"").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o777)).unwrap();
    symlink(&secret, &link).unwrap();
    file(&dir, b"new").publish(&link, true).unwrap();
    assert_eq!(mode(&link), 0o666 & !mode_denied());
}

fn mode_denied() -> u32 {
    umask().bits()
}

#[test]
fn what_is_missing_of_a_folder_is_made_again() {
    let dir = tempdir().unwrap();
    let hidden = dir.path().join(".part");
    let all = pieces(&[("a", 3), ("d/b", 3)]);
    drop(Part::create(&hidden, true, &all).unwrap());
    fs::remove_dir_all(hidden.join("d")).unwrap();
    fs::write(hidden.join("a"), b"longer").unwrap();
    let part = Part::reopen(&hidden, true, &all, 0).unwrap().unwrap();
    write(&part, b"abcdef", 0);
    part.publish(&dir.path().join("t"), false).unwrap();
    assert_eq!(fs::read(dir.path().join("t/a")).unwrap(), b"abc");
    assert_eq!(fs::read(dir.path().join("t/d/b")).unwrap(), b"def");
}

#[test]
fn more_than_the_disk_holds_is_refused_before_anything_is_made() {
    let dir = tempdir().unwrap();
    let error = Part::create(&dir.path().join(".part"), false, &pieces(&[("x", 1 << 52)])).unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(names(&dir).is_empty());
}

#[test]
fn what_may_go_counts_as_room() {
    let dir = tempdir().unwrap();
    // More than any disk of a test has free, and holes alone.
    let (hidden, all) = (dir.path().join(".part"), pieces(&[("x", 1 << 42)]));
    File::create(&hidden).unwrap().set_len(1 << 42).unwrap();
    assert!(matches!(Part::reopen(&hidden, false, &all, 0), Err(Error::NoRoom { .. })));
    let part = Part::reopen(&hidden, false, &all, 1 << 43).unwrap().unwrap();
    assert!(part.spare_bytes() >= 1 << 42);
}

#[test]
fn the_umask_can_be_read_without_setting_it() {
    assert!(!cfg!(target_os = "linux") || told_umask().is_some());
}
