//! Where a transfer lands.

use tempfile::tempdir;

use super::super::selection::Piece;
use super::*;

fn selection(name: &str, folder: bool) -> Selection {
    let piece = Piece { path: name.into(), offset: 0, size: 1, mtime: None };
    Selection { name: name.into(), folder, pieces: vec![piece], chunks: Vec::new() }
}

fn place(name: &str, folder: bool, output: Option<&Path>) -> (PathBuf, bool) {
    let target = Target::place(selection(name, folder), output.map(Path::to_owned));
    (target.path, target.selection.folder)
}

#[test]
fn the_target_is_what_was_asked_for_or_the_senders_name() {
    let dir = tempdir().unwrap();
    let (here, new) = (dir.path(), dir.path().join("new"));
    assert_eq!(place("a b.txt", false, None), (PathBuf::from("a b.txt"), false));
    assert_eq!(place("a.txt", false, Some(here)), (here.join("a.txt"), false));
    assert_eq!(place("a.txt", false, Some(&new)), (new.clone(), false));
    assert_eq!(place("trip", true, None), (PathBuf::from("trip"), true));
    assert_eq!(place("trip", true, Some(here)), (here.join("trip"), true));
    assert_eq!(place("trip", true, Some(&new)), (new.clone(), true));
    assert_eq!(place("x/y/a.txt", false, None), (PathBuf::from("x"), true));
    assert_eq!(place("x/y/a.txt", false, Some(here)), (here.join("x"), true));
    assert_eq!(place("x/y/a.txt", false, Some(&new)), (new, false));
}

#[test]
fn a_senders_name_with_a_dot_is_taken_only_when_it_is_asked_for() {
    let dir = tempdir().unwrap();
    let here = dir.path();
    let choose = |name: &str, folder, output: Option<&Path>| {
        let target = Target::choose(selection(name, folder), output.map(Path::to_owned), false).unwrap();
        (target.path.clone(), target.undotted().map(|undotted| (undotted.sent, undotted.here)))
    };
    let told = |sent: &str, named: &str| Some((sent.to_owned(), named.to_owned()));
    let none = || None::<(String, String)>;
    assert_eq!(choose(".bashrc", false, Some(here)), (here.join("_bashrc"), told(".bashrc", "_bashrc")));
    assert_eq!(choose(".ssh", true, Some(here)), (here.join("_ssh"), told(".ssh", "_ssh")));
    assert_eq!(choose(".ssh/authorized_keys", false, Some(here)), (here.join("_ssh"), told(".ssh", "_ssh")));
    assert_eq!(choose("..x", false, None), (PathBuf::from("_.x"), told("..x", "_.x")));
    assert_eq!(choose(".bashrc", false, Some(&here.join(".bashrc"))), (here.join(".bashrc"), none()));
    assert_eq!(choose("a/.b", false, Some(here)), (here.join("a"), none()));
    assert_eq!(choose("a.b", false, Some(here)), (here.join("a.b"), none()));
}

#[test]
fn what_stands_there_is_refused_at_once() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a");
    let choose = |folder, force| Target::choose(selection("n", folder), Some(path.clone()), force).map(|_| ());
    choose(false, false).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(matches!(choose(false, false), Err(Error::TargetExists { .. })));
    choose(false, true).unwrap();
    assert!(matches!(choose(true, true), Err(Error::TargetExists { .. })));
    let slash = Target::choose(selection("n", false), Some(dir.path().join("none/")), false);
    assert!(matches!(slash, Err(Error::TargetUnwritable { .. })));
    assert_eq!(parent_of(Path::new("a")), Path::new("."));
}
