//! The rules of the house as data: who may import what, how long a file may be, which names are not used.

use std::path::{Path, PathBuf};

/// Source below these paths never holds these words in code.
const NEVER: &[(&str, &[&str])] = &[
    ("src", &["haulier_format", "aes_gcm", "Aes256Gcm", "todo!", "unimplemented!"]),
    ("src/main.rs", &["crate::metadata", "crate::blob", "actix"]),
    ("src/config.rs", &["crate::metadata", "crate::blob", "crate::http", "actix_web", "sqlx::"]),
    ("src/config", &["crate::metadata", "crate::blob", "crate::http", "actix_web", "sqlx::", "aws_sdk"]),
    ("src/telemetry", &["actix", "sqlx", "crate::http", "crate::transfer", "crate::metadata", "crate::blob"]),
    ("src/transfer", &["actix", "sqlx", "aws_sdk", "crate::http", "crate::telemetry", "SystemClock", "SystemEntropy"]),
    ("src/transfer/state.rs", &["async ", "crate::blob", "MetadataStore"]),
    ("src/metadata", &["actix", "crate::http", "crate::blob", "crate::transfer"]),
    ("src/metadata/mod.rs", &["sqlx", "crate::telemetry"]),
    ("src/metadata/sqlite.rs", &["crate::telemetry"]),
    ("src/metadata/metered.rs", &["sqlx"]),
    ("src/blob", &["actix", "sqlx", "crate::http", "crate::metadata", "crate::transfer"]),
    ("src/blob/mod.rs", &["aws_sdk"]),
    ("src/blob/disk.rs", &["crate::telemetry"]),
    ("src/blob/disk", &["crate::telemetry", "aws_sdk"]),
    ("src/http", &["sqlx", "aws_sdk", "crate::blob", "crate::metadata"]),
    ("src/job.rs", &["actix", "sqlx"]),
    ("src/operator", &["actix", "sqlx", "crate::blob", "crate::http"]),
    ("src/metadata/operator.rs", &["sqlx"]),
    (
        "crates/haulier-wire/src",
        &["haulier_format", "tokio", "actix", "sqlx", "reqwest", "sha2", "std::fs", "std::net"],
    ),
    ("crates/haulier-format/src", &["std::fs", "TcpStream", "std::time", "tokio", "actix", "reqwest", "sqlx"]),
    ("crates/haulier-client/src", &["haulier_server", "actix", "sqlx", "aws_sdk"]),
];

/// The one folder of the client that speaks HTTP.
const CLIENT_HTTP: &str = "crates/haulier-client/src/http";

const NAMES_NOT_USED: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

const MOST_LINES: usize = 400;

struct Source {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        collect(&root().join(folder), &mut paths);
    }
    let sources: Vec<Source> = paths
        .into_iter()
        .map(|path| Source {
            text: std::fs::read_to_string(&path).expect("UTF-8"),
            path: path.strip_prefix(root()).expect("below the root").to_str().expect("UTF-8").to_owned(),
        })
        .collect();
    assert!(sources.len() > 50, "the sources are found");
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    fn is_test(&self) -> bool {
        ["tests/", "/tests.rs", "/test_", "/contract.rs"].iter().any(|part| self.path.contains(part))
    }

    fn is_below(&self, prefix: &str) -> bool {
        Path::new(&self.path).starts_with(prefix)
    }

    /// The lines that are code: comments may name what the code must not.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = |line: &str| !line.trim_start().starts_with("//");
        self.text.lines().enumerate().filter(move |(_, line)| code(line)).map(|(number, line)| (number + 1, line))
    }
}

#[test]
fn nobody_imports_what_its_place_forbids() {
    let sources = sources();
    let mut broken = Vec::new();
    for (place, words) in NEVER {
        let here: Vec<&Source> = sources.iter().filter(|source| source.is_below(place) && !source.is_test()).collect();
        assert!(!here.is_empty(), "{place} is gone: mend this table");
        for source in here {
            for (number, line) in source.code() {
                broken.extend(
                    words
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{}:{number} has {word:?}, which {place} never has", source.path)),
                );
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn one_folder_of_the_client_speaks_http() {
    for source in sources().iter().filter(|source| source.is_below("crates/haulier-client/src") && !source.is_test()) {
        let speaks = source.code().any(|(_, line)| line.contains("reqwest"));
        assert!(!speaks || source.is_below(CLIENT_HTTP), "{} uses reqwest outside {CLIENT_HTTP}", source.path);
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES || source.is_test(), "{} has {lines} lines, at most {MOST_LINES}", source.path);
        assert!(source.text.starts_with("//!"), "{} begins with what it is", source.path);
    }
}

#[test]
fn names_say_something() {
    for source in sources() {
        let stem = Path::new(&source.path).file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(!NAMES_NOT_USED.contains(&stem), "{} says nothing", source.path);
        for (number, line) in source.code().filter(|_| !source.is_test()) {
            assert!(!line.contains("fn handle_"), "{}:{number} handles what?", source.path);
        }
    }
}

#[test]
fn no_test_is_skipped() {
    for source in sources().iter().filter(|source| !source.path.ends_with("it/tidy.rs")) {
        assert!(!source.text.contains("#[ignore"), "{} skips a test", source.path);
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let manifest = |path: &str| std::fs::read_to_string(root().join(path).join("Cargo.toml")).expect("a manifest");
    assert!(manifest(".").contains("unsafe_code = \"forbid\""));
    for package in [".", "crates/haulier-wire", "crates/haulier-format", "crates/haulier-client"] {
        assert!(manifest(package).contains("[lints]\nworkspace = true"), "{package} takes the workspace's lints");
    }
}

#[test]
fn the_server_is_built_without_code_that_opens_a_chunk() {
    let output = std::process::Command::new(root().join("scripts/check-server-graph")).current_dir(root()).output();
    let output = output.expect("the check runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn migrations_have_the_same_names_for_every_database() {
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let mut databases =
        std::fs::read_dir(root().join("migrations")).expect("migrations").map(|entry| entry.expect("one").path());
    let first = names(&databases.next().expect("at least one database"));
    assert!(!first.is_empty());
    assert!(databases.all(|database| names(&database) == first));
}
