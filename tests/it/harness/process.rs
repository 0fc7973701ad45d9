//! A server process on a free port, with a data folder of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::postgres::{Postgres, TestDatabase};

/// How to start a server.
#[derive(Debug, Default)]
pub(crate) struct ServerOptions {
    /// More environment variables.
    pub(crate) env: Vec<(String, OsString)>,
    /// A program, with its arguments, that runs the server's program: strace, prlimit.
    pub(crate) wrapper: Vec<OsString>,
    /// A data folder that outlives the server; otherwise one is made and removed.
    pub(crate) data_dir: Option<PathBuf>,
    /// Postgres instead of SQLite; with `HAULIER_TEST_DATABASE=postgres` every server has it.
    pub(crate) on_postgres: bool,
    /// SQLite whatever that variable says: for tests that look into its file.
    pub(crate) on_sqlite: bool,
    /// A file for the log; otherwise it goes nowhere, or to the terminal with `HAULIER_TEST_LOG`.
    pub(crate) log: Option<PathBuf>,
}

impl ServerOptions {
    /// With a database of its own in the Postgres of all tests.
    pub(crate) fn on_postgres() -> Self {
        Self { on_postgres: true, ..Self::default() }
    }

    pub(crate) fn on_sqlite() -> Self {
        Self { on_sqlite: true, ..Self::default() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    pub(crate) fn log_to(mut self, path: &Path) -> Self {
        self.log = Some(path.to_owned());
        self
    }

    pub(crate) fn wrapper<I: Into<OsString>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.wrapper = words.into_iter().map(Into::into).collect();
        self
    }
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    url: String,
    data_dir: PathBuf,
    _own_dir: Option<TempDir>,
    _own_database: Option<TestDatabase>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(ServerOptions::default())
    }

    pub(crate) fn start_with(options: ServerOptions) -> Self {
        let own_dir = options.data_dir.is_none().then(|| TempDir::new().expect("a temporary folder"));
        let data_dir = options.data_dir.unwrap_or_else(|| own_dir.as_ref().expect("made above").path().join("data"));
        // As long as its folder: a server that is started again finds its database.
        let asked = || std::env::var("HAULIER_TEST_DATABASE").is_ok_and(|it| it == "postgres");
        let on_postgres = !options.on_sqlite && (options.on_postgres || asked());
        let own_database = (on_postgres && own_dir.is_some()).then(|| Postgres::shared().database());
        let database_url = match &own_database {
            Some(database) => Some(database.url().to_owned()),
            None => on_postgres.then(|| database_of_folder(&data_dir)),
        };
        let program = OsString::from(env!("CARGO_BIN_EXE_haulier-server"));
        let mut words = options.wrapper.into_iter().chain([program]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HAULIER_LISTEN", "127.0.0.1:0")
            .env("HAULIER_DATA_DIR", &data_dir)
            .envs(database_url.map(|url| ("HAULIER_DATABASE_URL", url)))
            .envs(options.env)
            .stdout(Stdio::piped())
            .stderr(log_sink(options.log.as_deref()));
        let mut child = command.spawn().expect("the server's program starts");
        let url = read_url(&mut child);
        Self { child, url, data_dir, _own_dir: own_dir, _own_database: own_database }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").expect("a URL").1
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The file of a stored chunk.
    pub(crate) fn chunk_path(&self, id: &str, index: u32) -> PathBuf {
        self.data_dir.join(format!("blobs/transfers/{id}/chunks/{index}"))
    }

    /// The most memory that the process ever held, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        peak_rss_bytes(self.pid()).expect("a running process")
    }

    /// Ends the process at once, as kill -9 does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process has ended");
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    /// How the process ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("the process can be waited for")
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self, longest: Duration) -> std::process::ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < longest, "the server did not stop within {longest:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that a process ever held, in bytes; none once it has ended.
pub(crate) fn peak_rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok())?;
    Some(kib * 1024)
}

/// An address on this machine that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// The URL of the database that goes with a data folder, until the tests end.
fn database_of_folder(data_dir: &Path) -> String {
    static DATABASES: Mutex<BTreeMap<PathBuf, TestDatabase>> = Mutex::new(BTreeMap::new());
    let mut databases = DATABASES.lock().expect("not poisoned");
    let database = databases.entry(data_dir.to_owned()).or_insert_with(|| Postgres::shared().database());
    database.url().to_owned()
}

fn log_sink(path: Option<&Path>) -> Stdio {
    match path {
        Some(path) => std::fs::File::create(path).expect("a log file").into(),
        None if std::env::var_os("HAULIER_TEST_LOG").is_some() => Stdio::inherit(),
        None => Stdio::null(),
    }
}

/// Reads the address from the first line that the server prints.
fn read_url(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next().expect("the server prints where it listens").expect("UTF-8");
    let url = first.rsplit(' ').next().expect("a word").to_owned();
    assert!(url.starts_with("http"), "unexpected first line: {first}");
    // Keep reading, or the server would be stopped by a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    url
}
