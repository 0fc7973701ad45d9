//! A Postgres of the benchmark's own, in the folder for temporary files, with its syncs left on.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, ensure};

/// A running Postgres. Stopped and removed when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Of its one database.
    pub(crate) url: String,
}

impl Postgres {
    /// Starts it with default settings; `env` reaches the server.
    pub(crate) fn start(env: &[(&str, OsString)]) -> anyhow::Result<Self> {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test-postgres"));
        command.env("HAULIER_TEST_POSTGRES_SYNCS", "1").envs(env.iter().map(|(name, value)| (name, value)));
        // An interrupt is for the benchmark; the script ends when its standard input does.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot run scripts/test-postgres")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().context("standard output is piped")?);
        let mut first = String::new();
        // Its own processes keep the pipe open: what follows the first line is not waited for.
        BufReader::new(stdout.take(4096)).read_line(&mut first)?;
        let url = first.trim().to_owned();
        let postgres = Self { child, stdin, url };
        ensure!(postgres.url.starts_with("postgres://"), "scripts/test-postgres has failed; it says why above");
        Ok(postgres)
    }

    pub(crate) fn version() -> Option<String> {
        let found = Command::new("sh").arg("-c").arg(FIND_VERSION).output().ok()?;
        let text = String::from_utf8(found.stdout).ok()?;
        Some(text.split_whitespace().nth(2)?.to_owned())
    }
}

/// The same programs as the script's: on PATH, else where Debian keeps them.
const FIND_VERSION: &str =
    "postgres --version 2>/dev/null || $(ls /usr/lib/postgresql/*/bin/postgres | sort -rV | head -1) --version";

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
