//! The pairs of a database and a blob store that a server runs on, and what can be done to both behind its back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::harness::{ObjectStore, Postgres, Server, ServerOptions, TestDatabase, files_below, peak_rss_bytes};
use crate::s3::Objects;

/// Makes a test of each scenario on each pair.
macro_rules! on_every_backend {
    ($($scenario:ident),+ $(,)?) => {
        on_every_backend!(@ sqlite_disk: $($scenario)+);
        on_every_backend!(@ sqlite_garage: $($scenario)+);
        on_every_backend!(@ postgres_disk: $($scenario)+);
        on_every_backend!(@ postgres_garage: $($scenario)+);
        on_every_backend!(@ postgres_minio: $($scenario)+);
    };
    (@ $backend:ident: $($scenario:ident)+) => {
        mod $backend {
            $(
                #[tokio::test]
                async fn $scenario() {
                    // None only where this run of the tests was told to leave the store out.
                    if let Some(backend) = $crate::operator::backend::Backend::named(stringify!($backend)) {
                        super::$scenario(backend).await;
                    }
                }
            )+
        }
    };
}
pub(super) use on_every_backend;

/// Whoever is in the middle of something is thrown out of it.
const LOSE_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public";

/// One pair, which one test has for itself.
#[derive(Debug)]
pub(super) struct Backend {
    folder: TempDir,
    /// SQLite otherwise.
    postgres: Option<TestDatabase>,
    /// Files otherwise.
    objects: Option<Objects>,
}

impl Backend {
    pub(super) fn named(name: &str) -> Option<Self> {
        let (database, blobs) = name.split_once('_').expect("two names");
        let store = match blobs {
            "disk" => None,
            name => Some(ObjectStore::all().into_iter().find(|store| store.name.eq_ignore_ascii_case(name))?),
        };
        Some(Self {
            folder: TempDir::new().expect("a folder"),
            postgres: (database == "postgres").then(|| Postgres::shared().database()),
            objects: store.map(Objects::new),
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn blobs(&self) -> PathBuf {
        self.data().join("blobs")
    }

    fn sqlite(&self) -> PathBuf {
        self.data().join("haulier.sqlite")
    }

    /// Where both are, and how they are reached.
    fn env(&self) -> Vec<(&'static str, String)> {
        let database = match &self.postgres {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", self.sqlite().display()),
        };
        let mut env = vec![("HAULIER_DATA_DIR", self.data().display().to_string()), ("HAULIER_DATABASE_URL", database)];
        if let Some(objects) = &self.objects {
            env.push(("HAULIER_BLOB_URL", objects.url.clone()));
            env.push(("AWS_ACCESS_KEY_ID", objects.store.access_key.clone()));
            env.push(("AWS_SECRET_ACCESS_KEY", objects.store.secret_key.clone()));
        }
        env
    }

    pub(super) fn serve(&self) -> Server {
        self.serve_with(ServerOptions::default())
    }

    pub(super) fn serve_with(&self, options: ServerOptions) -> Server {
        let options = options.data_dir(&self.data());
        Server::start_with(self.env().into_iter().fold(options, |options, (name, value)| options.env(name, value)))
    }

    /// `haulier-server COMMAND`.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haulier-server"));
        command.args(arguments).env_clear().envs(self.env()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(super) async fn operate(&self, arguments: &[&str]) -> Output {
        self.operate_watched(arguments).await.0
    }

    /// The same; also the most memory that it ever held, in bytes.
    pub(super) async fn operate_watched(&self, arguments: &[&str]) -> (Output, u64) {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let pid = child.id();
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends"));
        let mut peak = 0;
        while !ended.is_finished() {
            peak = peak.max(peak_rss_bytes(pid).unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (ended.await.expect("not cancelled"), peak)
    }

    /// Changes rows behind the server's back.
    pub(super) async fn execute(&self, statement: &str) {
        if let Some(database) = &self.postgres {
            return database.run(statement);
        }
        let url = format!("sqlite:{}", self.sqlite().display());
        let mut connection = SqliteConnection::connect(&url).await.expect("connects");
        sqlx::query("PRAGMA busy_timeout = 10000").execute(&mut connection).await.expect("set");
        let statement = AssertSqlSafe(statement.to_owned());
        let done = sqlx::query(statement).execute(&mut connection).await.expect("done");
        assert!(done.rows_affected() > 0, "nothing was there to change");
        connection.close().await.expect("closed");
    }

    /// Nothing is left of the database afterwards. A server over Postgres may live on; one over SQLite is ended first.
    pub(super) fn drop_database(&self, server: &mut Server) {
        if let Some(database) = &self.postgres {
            return database.run(LOSE_ALL);
        }
        server.kill();
        let mut dropped = 0;
        for entry in fs::read_dir(self.data()).expect("a folder").map(|entry| entry.expect("an entry")) {
            if entry.file_name().to_string_lossy().starts_with("haulier.sqlite") {
                fs::remove_file(entry.path()).expect("removed");
                dropped += 1;
            }
        }
        assert!(dropped > 0, "there was one");
    }

    /// A server on the address of `before`: that one itself if it still runs.
    pub(super) fn serve_again(&self, mut before: Server) -> Server {
        if before.has_ended().is_none() {
            return before;
        }
        self.serve_with(ServerOptions::default().env("HAULIER_LISTEN", before.address()))
    }

    /// The names of all blobs.
    pub(super) async fn names(&self) -> Vec<String> {
        match &self.objects {
            Some(objects) => objects.names().await.into_iter().collect(),
            None => {
                let files = files_below(&self.blobs()).into_iter().filter(|path| path.is_file());
                files.map(|path| self.name_of(&path)).collect()
            }
        }
    }

    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(self.blobs()).expect("below").to_str().expect("UTF-8").to_owned()
    }

    /// Every blob with its bytes.
    pub(super) async fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for name in self.names().await {
            let bytes = self.read(&name).await;
            contents.insert(name, bytes);
        }
        contents
    }

    pub(super) async fn read(&self, name: &str) -> Vec<u8> {
        match &self.objects {
            Some(objects) => objects.bytes(name).await,
            None => fs::read(self.blobs().join(name)).expect("read"),
        }
    }

    pub(super) async fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name).await).expect("UTF-8")
    }

    /// The same, once `part` stands in it: a server may be about to write it.
    pub(super) async fn read_with(&self, name: &str, part: &str) -> String {
        for _ in 0..500 {
            let text = self.read_text(name).await;
            if text.contains(part) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} never held {part}");
    }

    pub(super) async fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if let Some(objects) = &self.objects {
            return objects.put(name, bytes).await;
        }
        let path = self.blobs().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    /// A blob of 1 GiB.
    pub(super) async fn write_gib(&self, name: &str) {
        match &self.objects {
            Some(objects) => objects.put_gib(name).await,
            None => fs::File::create(self.blobs().join(name)).and_then(|file| file.set_len(1 << 30)).expect("made"),
        }
    }

    /// An empty folder; in an object store, the zero-byte object that consoles make for one.
    pub(super) async fn make_folder(&self, name: &str) {
        match &self.objects {
            Some(objects) => objects.put(&format!("{name}/"), b"").await,
            None => fs::create_dir_all(self.blobs().join(name)).expect("made"),
        }
    }

    pub(super) async fn remove(&self, name: &str) {
        match &self.objects {
            Some(objects) => objects.remove(name).await,
            None => fs::remove_file(self.blobs().join(name)).expect("removed"),
        }
    }

    /// The ids of which anything is left, be it an empty folder.
    pub(super) async fn ids(&self) -> BTreeSet<String> {
        if self.is_on_disk() {
            let entries = fs::read_dir(self.blobs().join("transfers")).expect("a folder");
            return entries.map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned()).collect();
        }
        let names = self.names().await;
        names.iter().map(|name| name.split('/').nth(1).expect("transfers/ID/...").to_owned()).collect()
    }

    /// Whether nothing at all is left of a transfer.
    pub(super) async fn is_gone(&self, id: impl std::fmt::Display) -> bool {
        let folder = format!("transfers/{id}/");
        let is_folder = self.objects.is_none() && self.blobs().join(&folder).exists();
        !is_folder && !self.names().await.iter().any(|name| name.starts_with(&folder))
    }

    /// Waits until nothing at all is left of a transfer.
    pub(super) async fn is_gone_soon(&self, id: impl std::fmt::Display) {
        for _ in 0..500 {
            if self.is_gone(&id).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", self.names().await);
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.objects.is_none()
    }
}

pub(super) fn chunk(id: impl std::fmt::Display, index: u32) -> String {
    format!("transfers/{id}/chunks/{index}")
}

pub(super) fn meta(id: impl std::fmt::Display) -> String {
    format!("transfers/{id}/meta.json")
}
