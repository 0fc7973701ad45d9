//! A database or a store that is away: a command says so within seconds, by name, and what to do. What asks only the
//! database works without the store.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tempfile::TempDir;

use super::{lines, operate, operate_with, stderr};
use crate::harness::{Sample, Wire, free_address};

/// Far beyond what it takes, and under half a minute, which is what a server waits for its database.
const SOON: Duration = Duration::from_secs(20);
const ADVICE: &str = "see that it runs and can be reached from here";
const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

/// A place where nobody listens, and one where nobody answers.
async fn places() -> (Wire, [String; 2]) {
    let silent = Wire::to("127.0.0.1:1").await;
    silent.set(|faults| faults.is_silent = true);
    let places = [free_address().to_string(), silent.address().to_string()];
    (silent, places)
}

/// Each command fails soon, and names the setting and the place.
async fn all_say(data: &Path, commands: &[&[&str]], env: &[(&str, &str)], variable: &str, place: &str) {
    let begun = Instant::now();
    let outputs = join_all(commands.iter().map(|command| operate_with(data, command, env))).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for (command, output) in commands.iter().zip(outputs) {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        let last = said.lines().last().expect("a line");
        assert!([variable, place, ADVICE].iter().all(|word| last.contains(word)), "{command:?}: {last}");
        assert!(!said.contains("hunter2"), "{command:?}: {said}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_named_soon() {
    let folder = TempDir::new().expect("a folder");
    let (_silent, places) = places().await;
    let blobs = folder.path().join("blobs");
    for name in ["transfers", "staging"] {
        std::fs::create_dir_all(blobs.join(name)).expect("made");
    }
    let blobs = format!("file://{}", blobs.display());
    let id = Sample::new(1, 65_536).id;
    let commands: [&[&str]; 6] = [
        &["stats"],
        &["stats", "--blobs"],
        &["transfer", "show", id.as_str()],
        &["transfer", "delete", id.as_str()],
        &["doctor"],
        &["rebuild"],
    ];
    for place in places {
        let url = format!("postgres://haulier:hunter2@{place}/haulier");
        let env = [("HAULIER_DATABASE_URL", url.as_str()), ("HAULIER_BLOB_URL", blobs.as_str())];
        all_say(folder.path(), &commands, &env, "HAULIER_DATABASE_URL", &place).await;
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_named_soon_by_those_who_need_it() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    assert!(operate(&data, &["migrate"]).await.status.success());
    let (_silent, places) = places().await;
    let id = Sample::new(1, 65_536).id;
    let commands: [&[&str]; 4] =
        [&["stats", "--blobs"], &["transfer", "delete", id.as_str()], &["doctor"], &["rebuild"]];
    for place in places {
        let url = format!("s3://bucket/prefix?endpoint=http://{place}&region=r&create=true");
        let env = [&[("HAULIER_BLOB_URL", url.as_str())][..], &CREDENTIALS[..]].concat();
        all_say(&data, &commands, &env, "HAULIER_BLOB_URL", &place).await;
        lines(&operate_with(&data, &["stats", "--json"], &env).await, 0);
        let shown = operate_with(&data, &["transfer", "show", id.as_str()], &env).await;
        assert!(stderr(&shown).contains("knows a transfer"), "{shown:?}");
    }
}
