//! What becomes true by itself, soon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Waits for background work of the server; fails after 10 s.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every file and folder below a folder, but for the database's own.
pub(crate) fn files_below(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        // Both may vanish while we look: the server removes what it does not need.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            if !entry.file_name().to_string_lossy().starts_with("haulier.sqlite") {
                found.insert(path);
            }
        }
    }
    found
}
