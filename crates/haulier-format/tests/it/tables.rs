//! The tables of `testvectors/haulier-v1` that are written by hand: links and paths.

use haulier_format::{
    Error, FileEntry, KeyMode, Link, LinkTarget, check_files, check_path, sanitize_path, target_paths, to_base64url,
};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = format!("{}/../../testvectors/haulier-v1/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn rows<'v>(table: &'v Value, name: &str, count: usize) -> &'v [Value] {
    let rows = table[name].as_array().unwrap();
    assert_eq!(rows.len(), count, "{name}");
    rows
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap()
}

fn mode_name(mode: KeyMode) -> &'static str {
    match mode {
        KeyMode::Link => "link",
        KeyMode::LinkPassphrase => "link+passphrase",
        KeyMode::Passphrase => "passphrase",
    }
}

#[test]
fn links_that_are_accepted() {
    let table = read("links.json");
    for row in rows(&table, "links", 14) {
        let link = Link::parse(text(row, "text")).unwrap();
        assert_eq!(link.base, text(row, "base"));
        assert_eq!(link.id.as_str(), text(row, "transfer_id"));
        assert_eq!(mode_name(link.mode.key_mode()), text(row, "mode"));
        assert_eq!(link.mode.key().map(|key| to_base64url(key.expose())).as_deref(), row["key"].as_str());
        assert_eq!(link.format(), text(row, "canonical"));
        assert_eq!(Link::parse(text(row, "canonical")).unwrap().format(), text(row, "canonical"));
    }
    for row in rows(&table, "id_only", 4) {
        let LinkTarget::IdOnly { base, id } = LinkTarget::parse(text(row, "text")).unwrap() else { panic!("{row}") };
        assert_eq!((base.as_str(), id.as_str()), (text(row, "base"), text(row, "transfer_id")));
    }
    for row in rows(&table, "friendly", 2) {
        let LinkTarget::FriendlyToken { base, token } = LinkTarget::parse(text(row, "text")).unwrap() else {
            panic!("{row}")
        };
        assert_eq!((base.as_str(), token.as_str()), (text(row, "base"), text(row, "token")));
    }
}

#[test]
fn links_that_are_refused() {
    for row in rows(&read("links.json"), "refused", 48) {
        let expected = match text(row, "error") {
            "base" => Error::Base,
            "key" => Error::LinkKey,
            _ => Error::Link,
        };
        assert_eq!(LinkTarget::parse(text(row, "text")).unwrap_err(), expected, "{row}");
    }
}

#[test]
fn paths_one_by_one() {
    let table = read("paths.json");
    for row in rows(&table, "accepted", 35) {
        let path = row.as_str().unwrap();
        assert_eq!(check_path(path), Ok(()), "{row}");
        assert_eq!(sanitize_path(path), (path.to_owned(), false));
    }
    for row in rows(&table, "refused", 63) {
        assert_eq!(check_path(row.as_str().unwrap()), Err(Error::Path), "{row}");
        let (clean, changed) = sanitize_path(row.as_str().unwrap());
        assert!(changed && check_path(&clean).is_ok(), "{row} {clean:?}");
    }
    for row in rows(&table, "sanitized", 21) {
        let (from, to) = (text(row, "from"), text(row, "to"));
        assert_eq!(sanitize_path(from), (to.to_owned(), from != to));
    }
}

fn files(paths: &Value) -> Vec<FileEntry> {
    let entry = |path: &Value| FileEntry {
        path: path.as_str().unwrap().into(),
        size: 0,
        offset: 0,
        content_type: "a/b".into(),
        mtime: None,
    };
    paths.as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn lists_of_paths() {
    let table = read("paths.json");
    for row in rows(&table, "lists_accepted", 12) {
        let files = files(&row["paths"]);
        assert_eq!(check_files(&files, 0), Ok(()), "{row}");
        let targets: Vec<Value> = target_paths(&files).into_iter().map(Value::from).collect();
        assert_eq!(Value::from(targets), row["targets"]);
    }
    for row in rows(&table, "lists_refused", 9) {
        assert!(check_files(&files(row), 0).is_err(), "{row}");
    }
}
