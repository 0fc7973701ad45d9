//! Syncs that take 5 ms longer: `slow_sync.c`, compiled here and preloaded into the process that is measured.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// What is added to every sync.
pub(crate) const ADDED: Duration = Duration::from_millis(5);

/// The compiled library and its tally, where any user can reach them: Postgres does not run as root.
#[derive(Debug)]
pub(crate) struct SlowSync {
    folder: TempDir,
}

impl SlowSync {
    pub(crate) fn compile() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("haulier-bench-")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let this = Self { folder };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/slow_sync.c");
        let mut command = Command::new("cc");
        command.args(["-O2", "-shared", "-fPIC", "-o"]).arg(this.library()).arg(source);
        ensure!(command.status().context("a C compiler is needed, as for the build")?.success(), "cc failed");
        fs::write(this.tally(), [])?;
        fs::set_permissions(this.tally(), fs::Permissions::from_mode(0o666))?;
        Ok(this)
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.folder.path().join("slow_sync.so")
    }

    /// The settings for a process: syncs of files whose path holds `part` are slow and counted.
    pub(crate) fn settings(&self, part: &str) -> Vec<(&'static str, OsString)> {
        vec![
            ("SLOW_SYNC_MICROSECONDS", ADDED.as_micros().to_string().into()),
            ("SLOW_SYNC_PART", part.into()),
            ("SLOW_SYNC_COUNTED", part.into()),
            ("SLOW_SYNC_TALLY", self.tally().into()),
        ]
    }

    /// How many syncs were counted so far.
    pub(crate) fn counted(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(self.tally())?.len())
    }

    fn tally(&self) -> PathBuf {
        self.folder.path().join("tally")
    }
}
