//! The CLI as people run it: the program, with a home of its own.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::process::peak_rss_bytes;
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

    /// Runs to the end, which must be a good one; returns what was printed, and the most memory that it ever held, in bytes.
    pub(crate) async fn run_watched<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> (String, u64) {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("haulier starts");
        let pid = child.id();
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends"));
        let mut peak = 0;
        while !ended.is_finished() {
            peak = peak.max(peak_rss_bytes(pid).unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let output = ended.await.expect("not cancelled");
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned(), peak)
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
            .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--tests"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.expect("cargo runs").success(), "the workspace's programs build");
        Path::new(env!("CARGO_BIN_EXE_haulier-server")).with_file_name("haulier")
    })
}

/// The SHA-256 of a file, as hex.
pub(crate) fn sha256_of(path: &Path) -> String {
    let (mut file, mut hasher) = (std::fs::File::open(path).expect("readable"), Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).expect("readable") {
            0 => return to_hex(&hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
