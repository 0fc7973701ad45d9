//! A real Postgres for tests: one for all tests of the process, or one of a test's own that it can stop.
//!
//! Also part of the unit tests of `metadata/postgres`. Where the programs are missing, the tests fail and say so.

use std::ffi::OsString;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test-postgres");

/// A running Postgres.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// Of a user who may do everything, and of the database `postgres`.
    url: String,
    /// None when it is somebody else's.
    script: Option<Mutex<Script>>,
}

impl Postgres {
    /// The one that all tests share, each with a database of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("HAULIER_TEST_POSTGRES_URL") {
            Ok(url) => Self { url, script: None },
            Err(_) => Self::start_own(),
        })
    }

    /// One that the test can stop.
    pub(crate) fn start_own() -> Self {
        Self::start_own_with(&[])
    }

    /// With environment variables for its script and for itself.
    pub(crate) fn start_own_with(env: &[(&str, OsString)]) -> Self {
        let mut command = Command::new(SCRIPT);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        Self::start_by(command)
    }

    /// The same with its data below a folder, as a program with its arguments sees it that runs the script.
    pub(crate) fn start_on(folder: &Path, wrapper: &[OsString]) -> Self {
        let (program, words) = wrapper.split_first().expect("at least the program");
        let mut command = Command::new(program);
        command.args(words).arg(SCRIPT).env("TMPDIR", folder);
        Self::start_by(command)
    }

    fn start_by(mut command: Command) -> Self {
        let mut child = command
            // An interrupt is for the tests; the script ends when they do.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/test-postgres starts");
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let url = read_answer(&mut answers);
        Self { url, script: Some(Mutex::new(Script { child, commands, answers })) }
    }

    /// The process that runs the script.
    pub(crate) fn pid(&self) -> u32 {
        self.script.as_ref().expect("a Postgres of the test's own").lock().expect("not poisoned").child.id()
    }

    /// Stops it as a crash would: connections break, what was not synced is lost.
    pub(crate) fn crash(&self) {
        self.command("crash", "stopped");
    }

    /// Starts it again, on the same port with the same data.
    pub(crate) fn start(&self) {
        self.command("start", "started");
    }

    fn command(&self, command: &str, expected: &str) {
        let script = self.script.as_ref().expect("a Postgres of the test's own");
        let mut script = script.lock().expect("not poisoned");
        writeln!(script.commands.as_mut().expect("open"), "{command}").expect("the script reads");
        assert_eq!(read_answer(&mut script.answers), expected);
    }

    /// Makes an empty database.
    pub(crate) fn database(&self) -> TestDatabase {
        let name = format!("haulier_test_{:016x}", RandomState::new().hash_one(std::process::id()));
        run(&self.url, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_path(&name);
        TestDatabase { url: url.into(), admin_url: self.url.clone(), name }
    }
}

/// The process that keeps Postgres running for as long as it has a standard input.
#[derive(Debug)]
struct Script {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

fn read_answer(answers: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("UTF-8");
    assert!(!line.is_empty(), "scripts/test-postgres has failed; it says why above");
    line.trim().to_owned()
}

/// A database of one test. Removed when dropped.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    url: String,
    admin_url: String,
    name: String,
}

impl TestDatabase {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL in it.
    pub(crate) fn run(&self, sql: &str) {
        run(&self.url, sql);
    }

    /// Runs SQL that may fail.
    pub(crate) fn attempt(&self, sql: &str) -> Result<(), sqlx::Error> {
        try_run(&self.url, sql)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A test that left its Postgres stopped has nothing to remove.
        let _ = try_run(&self.admin_url, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn run(url: &str, sql: &str) {
    try_run(url, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// In a thread of its own: tests with and without a runtime call this.
fn try_run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await
        })
    });
    ended.join().expect("no panic")
}
