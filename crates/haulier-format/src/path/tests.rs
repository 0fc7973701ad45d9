//! Paths as tables: honest names, and every trick.

use super::*;

fn entries(paths: &[&str]) -> Vec<FileEntry> {
    let entry = |(n, path): (usize, &&str)| FileEntry {
        path: (*path).into(),
        size: 2,
        offset: n as u64 * 2,
        content_type: "text/plain".into(),
        mtime: None,
    };
    paths.iter().enumerate().map(entry).collect()
}

#[test]
fn paths_that_differ_by_case_or_form_alone_are_numbered() {
    let names = ["README.md", "readme.md", "Readme (2).md", "é", "e\u{301}", "dir/a", "DIR/A", "straße", "STRASSE"];
    let files = entries(&names);
    assert_eq!(check_files(&files, 18), Ok(()));
    let targets = [
        "README.md",
        "readme (3).md",
        "Readme (2).md",
        "é",
        "e\u{301} (2)",
        "dir/a",
        "DIR/A (2)",
        "straße",
        "STRASSE (2)",
    ];
    assert_eq!(target_paths(&files), targets);
}

#[test]
fn numbered_names_keep_off_folders_and_stay_short() {
    assert_eq!(target_paths(&entries(&["a", "A", "a (2)/x"])), ["a", "A (3)", "a (2)/x"]);
    let long = "x".repeat(250) + ".txt";
    let upper = long.to_uppercase();
    let targets = target_paths(&entries(&[&long, &upper]));
    assert_eq!(targets[1], "X".repeat(247) + " (2).TXT");
    assert!(check_path(&targets[1]).is_ok());
}

#[test]
fn many_collisions_do_not_take_quadratic_time() {
    let names: Vec<String> =
        (0..10_000_u32).map(|n| (0..14).map(|bit| if n >> bit & 1 == 0 { 'a' } else { 'A' }).collect()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files = entries(&names);
    assert_eq!(check_files(&files, 20_000), Ok(()));
    let targets: BTreeSet<String> = target_paths(&files).iter().map(|path| fold(path)).collect();
    assert_eq!(targets.len(), 10_000);
}

#[test]
fn lists_that_contradict_themselves_are_refused() {
    let refused = |paths: &[&str]| check_files(&entries(paths), paths.len() as u64 * 2) == Err(Error::Files);
    assert!(!refused(&["a", "b", "a-b/c", "a0"]));
    for paths in [
        &["a", "a"][..],
        &["a", "a/b"],
        &["a/b", "a"],
        &["A", "a/b"],
        &["a", "a-", "a/b/c"],
        &["a", "A", "a!", "a/b"],
        &["x/e\u{301}", "x/É/y"],
        &[],
    ] {
        assert!(refused(paths), "{paths:?}");
    }
}

#[test]
fn sizes_and_offsets_must_add_up() {
    let files = entries(&["a", "b"]);
    assert_eq!(check_files(&files, 4), Ok(()));
    assert_eq!(check_files(&files, 3), Err(Error::Files));
    assert_eq!(check_files(&files, 5), Err(Error::Files));
    for change in [1, 3, u64::MAX] {
        let mut files = entries(&["a", "b"]);
        files[1].offset = change;
        assert_eq!(check_files(&files, 4), Err(Error::Files));
    }
    let mut files = entries(&["a", "b"]);
    files[1].size = u64::MAX;
    assert_eq!(check_files(&files, 1), Err(Error::Files));
}

#[test]
fn at_most_10_000_files() {
    let names: Vec<String> = (0..10_001).map(|n| format!("{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(check_files(&entries(&names[..10_000]), 20_000), Ok(()));
    assert_eq!(check_files(&entries(&names), 20_002), Err(Error::Files));
}

#[test]
fn long_names_are_cut_between_characters() {
    let (clean, changed) = sanitize_path(&format!("{}.jpeg", "é".repeat(200)));
    assert!(changed && clean.ends_with("é.jpeg") && clean.len() == 255);
    let deep = ["d".repeat(200).as_str(); 8].join("/") + "/end.txt";
    let (clean, changed) = sanitize_path(&deep);
    assert!(changed && clean.ends_with("/end.txt") && check_path(&clean).is_ok());
    assert_eq!(check_path(&deep), Err(Error::Path));
}

#[test]
fn equal_paths_get_numbers_that_nobody_else_has() {
    let paths = ["a_b.txt", "a_b.txt", "x/a", "a_b (2).txt", "a_b.txt", "A_b.txt", "x"].map(str::to_owned);
    let distinct = distinct_paths(&paths);
    assert_eq!(distinct[..4], ["a_b.txt", "a_b (3).txt", "x/a", "a_b (2).txt"]);
    assert_eq!(
        distinct[4..],
        ["a_b (4).txt", "A_b.txt", "x"],
        "case alone is no reason, and folders stay for the check"
    );
}
