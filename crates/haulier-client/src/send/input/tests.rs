//! Folders, archives and streams as one row of bytes, and what is noticed about them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use haulier_format::{TransferId, check_files};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::progress::Silent;

fn paths(paths: &[&Path]) -> Source {
    Source::Paths { paths: paths.iter().map(|path| path.to_path_buf()).collect(), tar: false, leave_out: false }
}

fn archive(path: &Path) -> Source {
    Source::Paths { paths: vec![path.to_owned()], tar: true, leave_out: false }
}

fn id() -> TransferId {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

/// Writes files below a new folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join("photos").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn all(input: &Input) -> Vec<u8> {
    let mut bytes = vec![0xff; usize::try_from(input.fingerprint().size).unwrap()];
    input.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn names(input: &Input, asked: Option<&str>) -> (String, Vec<String>) {
    let described = input.describe(asked, &id());
    check_files(&described.files, input.fingerprint().size).unwrap();
    (described.name, described.files.into_iter().map(|file| file.path).collect())
}

type Change = fn(&Path);

fn problem(source: &Source) -> (InputProblem, usize) {
    match Input::open(source) {
        Err(Error::Input { what, others, .. }) => (what, others),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_lie_end_to_end_and_can_be_read_anywhere() {
    let dir = folder(&[("b/2", "second"), ("a", "first"), ("empty", ""), ("b/1", "and more")]);
    let input = Input::open(&paths(&[&dir.path().join("photos")])).unwrap();
    assert_eq!(names(&input, None), ("photos".into(), ["a", "b/1", "b/2", "empty"].map(str::to_owned).to_vec()));
    let whole = b"firstand moresecond";
    assert_eq!(all(&input), whole);
    for start in 0..whole.len() {
        for end in start..=whole.len() {
            let mut bytes = vec![0xff; end - start];
            input.read_at(&mut bytes, start as u64).unwrap();
            assert_eq!(bytes, whole[start..end], "{start}..{end}");
        }
    }
    assert!(input.read_at(&mut [0], whole.len() as u64).is_err());
}

#[test]
fn the_names_follow_what_was_given() {
    let dir = folder(&[("only.txt", "x")]);
    let (root, file) = (dir.path().join("photos"), dir.path().join("photos/only.txt"));
    fs::write(dir.path().join("b:c.txt"), "y").unwrap();
    fs::write(dir.path().join("b_c.txt"), "z").unwrap();
    let (forbidden, plain) = (dir.path().join("b:c.txt"), dir.path().join("b_c.txt"));
    let folder_again = format!("{}/", root.display());
    for (given, asked, name, files) in [
        (vec![&*file], None, "only.txt", vec!["only.txt"]),
        (vec![&*file], Some("a/b"), "a_b", vec!["a_b"]),
        (vec![&*root], None, "photos/only.txt", vec!["photos/only.txt"]),
        (vec![Path::new(&folder_again)], Some("trip"), "trip/only.txt", vec!["trip/only.txt"]),
        (vec![&*file, &*root], None, "transfer-01234567", vec!["only.txt", "photos/only.txt"]),
        (vec![&*file, &*file], Some("two"), "two", vec!["only.txt", "only (2).txt"]),
        (vec![&*forbidden], None, "b_c.txt", vec!["b_c.txt"]),
        (vec![&*plain, &*forbidden], None, "transfer-01234567", vec!["b_c.txt", "b_c (2).txt"]),
    ] {
        let input = Input::open(&paths(&given)).unwrap();
        assert_eq!(
            names(&input, asked),
            (name.into(), files.iter().map(|&file| file.to_owned()).collect()),
            "{given:?}"
        );
    }
    let renamed = Input::open(&paths(&[&plain, &forbidden])).unwrap().describe(None, &id()).renamed;
    assert_eq!(renamed, ["b_c (2).txt"]);
}

#[test]
fn what_cannot_be_sent_is_known_before_anything_is_sent() {
    let dir = folder(&[("a", "x")]);
    let root = dir.path().join("photos");
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(problem(&paths(&[&root])), (InputProblem::Link, 2)));
    assert!(matches!(problem(&paths(&[&root.join("pipe")])), (InputProblem::NotAFile, 0)));
    assert!(matches!(problem(&paths(&[&root.join("nowhere")])), (InputProblem::Unreadable(_), 0)));
    assert!(matches!(problem(&archive(&root)), (InputProblem::NotAFile, 0)), "an archive takes links, but no pipes");

    let leave_out = Source::Paths { paths: vec![root.clone()], tar: false, leave_out: true };
    let input = Input::open(&leave_out).unwrap();
    assert_eq!((names(&input, None).1, input.left_behind()), (vec!["photos/a".to_owned()], (3, 0)));

    fs::remove_file(root.join("a")).unwrap();
    assert!(matches!(problem(&leave_out), (InputProblem::Empty, 0)));
    let too_many = tempdir().unwrap();
    for number in 0..=10_000 {
        fs::write(too_many.path().join(number.to_string()), "").unwrap();
    }
    assert!(matches!(problem(&paths(&[too_many.path()])), (InputProblem::TooMany { max: 10_000, tar: false }, 0)));
    fs::remove_file(too_many.path().join("7")).unwrap();
    assert_eq!(names(&Input::open(&paths(&[too_many.path()])).unwrap(), None).1.len(), 10_000);
    assert!(Input::open(&archive(too_many.path())).is_ok());
}

#[test]
fn a_link_that_was_given_itself_is_followed() {
    let dir = folder(&[("a", "content")]);
    symlink("photos/a", dir.path().join("link.txt")).unwrap();
    let input = Input::open(&paths(&[&dir.path().join("link.txt")])).unwrap();
    assert_eq!((names(&input, None).0, all(&input)), ("link.txt".into(), b"content".to_vec()));
}

#[test]
fn an_archive_holds_what_a_tar_program_expects() {
    let long = format!("{}/{}.txt", "d".repeat(150), "n".repeat(150));
    let dir = folder(&[("a", "0123456789"), (&long, "long"), ("block", &"b".repeat(512))]);
    let root = dir.path().join("photos");
    fs::create_dir(root.join("empty folder")).unwrap();
    symlink("../elsewhere", root.join("link")).unwrap();
    let input = Input::open(&archive(&root)).unwrap();
    assert_eq!(names(&input, None), ("photos.tar".into(), vec!["photos.tar".into()]));
    let bytes = all(&input);
    let mut found = BTreeMap::new();
    for entry in ::tar::Archive::new(&*bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let link = entry.link_name().unwrap().map(|link| link.display().to_string());
        found.insert(entry.path().unwrap().display().to_string(), link.unwrap_or(text));
    }
    let expected = [
        ("photos/", String::new()),
        ("photos/a", "0123456789".into()),
        ("photos/block", "b".repeat(512)),
        (&format!("photos/{}/", "d".repeat(150)), String::new()),
        (&format!("photos/{long}"), "long".into()),
        ("photos/empty folder/", String::new()),
        ("photos/link", "../elsewhere".into()),
    ];
    let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
    let found: BTreeMap<_, _> = found.into_iter().map(|(path, text)| (trimmed(&path), text)).collect();
    assert_eq!(found, expected.map(|(path, text)| (trimmed(path), text)).into());
    let alone = Input::open(&archive(&root.join("a"))).unwrap();
    let bytes_alone = all(&alone);
    let mut only = ::tar::Archive::new(&*bytes_alone);
    let mut only = only.entries().unwrap().next().unwrap().unwrap();
    let mut text = String::new();
    only.read_to_string(&mut text).unwrap();
    assert_eq!((only.path_bytes().as_ref(), text.as_str()), (&b"a"[..], "0123456789"), "a file by itself is a file");
    // The same again, from any place: an upload that was cut off goes on.
    let again = Input::open(&archive(&root)).unwrap();
    assert_eq!(again.fingerprint(), input.fingerprint());
    for start in (0..bytes.len()).step_by(97) {
        let mut piece = vec![0xff; (bytes.len() - start).min(700)];
        again.read_at(&mut piece, start as u64).unwrap();
        assert_eq!(piece, bytes[start..start + piece.len()], "{start}");
    }
}

#[test]
fn changes_are_noticed_when_they_are_read_and_at_the_end() {
    for tar in [false, true] {
        let changes: [(&str, Change); 4] = [
            ("longer", |path| fs::write(path, "longer than before").unwrap()),
            ("gone", |path| fs::remove_file(path).unwrap()),
            ("a link now", |path| {
                fs::remove_file(path).unwrap();
                symlink("/etc/passwd", path).unwrap();
            }),
            ("another file", |path| {
                fs::write(path.with_extension("new"), "before").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
        ];
        for (what, change) in changes {
            let dir = folder(&[("a", "before")]);
            let root = dir.path().join("photos");
            let source = Source::Paths { paths: vec![root.clone()], tar, leave_out: false };
            let input = Input::open(&source).unwrap();
            input.check_unchanged().unwrap();
            change(&root.join("a"));
            let mut bytes = vec![0; usize::try_from(input.fingerprint().size).unwrap()];
            for outcome in [input.read_at(&mut bytes, 0), input.check_unchanged()] {
                // What is gone may come back; nothing else may.
                let is_noticed = match &outcome {
                    Err(Error::Input { what: InputProblem::ReadFailed(_), .. }) => what == "gone",
                    Err(Error::Input { what: InputProblem::Changed, .. }) => what != "gone",
                    _ => false,
                };
                assert!(is_noticed, "{what}: {outcome:?}");
            }
        }
    }
}

#[test]
fn the_fingerprint_is_of_names_sizes_and_times() {
    let dir = folder(&[("a", "1"), ("b", "2")]);
    let root = dir.path().join("photos");
    let fingerprint = |source: &Source| Input::open(source).unwrap().fingerprint().clone();
    let first = fingerprint(&paths(&[&root]));
    assert_eq!(fingerprint(&paths(&[&root])), first);
    assert_ne!(fingerprint(&archive(&root)), first);
    fs::rename(root.join("a"), root.join("c")).unwrap();
    let renamed = fingerprint(&paths(&[&root]));
    assert_ne!(renamed, first);
    let file = File::options().write(true).open(root.join("b")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_ne!(fingerprint(&paths(&[&root])), renamed);
}

#[test]
fn a_stream_is_kept_without_a_name_and_within_the_limit() {
    let dir = tempdir().unwrap();
    let stream = || Stream::new(io::repeat(7).take(3_000_000));
    let (file, size) = spool(&stream(), dir.path(), 3_000_000, &Silent).unwrap();
    assert_eq!((size, fs::read_dir(dir.path()).unwrap().count()), (3_000_000, 0));
    let input = Input::of_spool(file, size);
    assert!(input.is_stream());
    assert_eq!(names(&input, None).0, "transfer-01234567");
    assert_eq!(all(&input), vec![7; 3_000_000]);
    let limited = spool(&stream(), dir.path(), 2_999_999, &Silent);
    assert!(matches!(limited, Err(Error::Limit(crate::error::LimitError::FileTooLarge { .. }))), "{limited:?}");
    let once = stream();
    spool(&once, dir.path(), u64::MAX, &Silent).unwrap();
    assert!(spool(&once, dir.path(), u64::MAX, &Silent).is_err(), "it is gone");
}
