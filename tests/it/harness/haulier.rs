//! The CLI as people run it: the program, with a home of its own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use haulier_wire::encoding::to_hex;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// One person's home, work folder and environment.
#[derive(Debug)]
pub(crate) struct Haulier {
    home: TempDir,
    env: Vec<(String, OsString)>,
}

/// What `haulier send --json` says at the end.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SentLine {
    pub(crate) transfer_id: String,
    pub(crate) link: String,
    pub(crate) file_size: u64,
    pub(crate) files: u32,
}

/// What `haulier get --json` says at the end.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct GotLine {
    pub(crate) path: PathBuf,
    pub(crate) file_size: u64,
}

impl Haulier {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().expect("a home"), env: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the work folder.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("XDG_STATE_HOME", self.home().join("state"))
            .env("XDG_CONFIG_HOME", self.home().join("config"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end, without blocking the test's runtime.
    pub(crate) async fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("haulier runs")).await.expect("not cancelled")
    }

    /// `haulier send --json PATH --to URL ...`, which must succeed.
    pub(crate) async fn send(&self, path: &Path, url: &str, more: &[&str]) -> SentLine {
        let mut arguments: Vec<OsString> = vec!["send".into(), "--json".into(), path.into(), "--to".into(), url.into()];
        arguments.extend(more.iter().map(OsString::from));
        last_line(&self.run(arguments).await)
    }

    /// `haulier get --json LINK -o PATH`, which must succeed.
    pub(crate) async fn get(&self, link: &str, output: &Path) -> GotLine {
        let arguments: [&OsStr; 5] = ["get".as_ref(), "--json".as_ref(), link.as_ref(), "-o".as_ref(), output.as_ref()];
        last_line(&self.run(arguments).await)
    }
}

fn last_line<T: serde::de::DeserializeOwned>(output: &Output) -> T {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{stdout}\n{stderr}", output.status);
    let last = stdout.lines().last().expect("a last line");
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
}

/// The program beside the server's, built once if this run of the tests did not build it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.expect("cargo runs").success(), "the workspace's programs build");
        Path::new(env!("CARGO_BIN_EXE_haulier-server")).with_file_name("haulier")
    })
}

/// The SHA-256 of a file, as hex.
pub(crate) fn sha256_of(path: &Path) -> String {
    to_hex(&Sha256::digest(std::fs::read(path).expect("readable")))
}
