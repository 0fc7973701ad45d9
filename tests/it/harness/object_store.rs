//! Real S3 stores for tests: one Garage and one MinIO for each test program, on free ports, in folders of their own.
//!
//! The unit tests of `blob/s3` use this file as well.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Ends the store when the test program ends, in whatever way: then nobody holds the other end of its standard input.
/// Ctrl-C reaches the guard as well, which must not go before its work is done.
const GUARD: &str =
    r#"trap '' INT TERM HUP; folder=$0; "$@" </dev/null & cat >/dev/null; kill -9 $!; wait; rm -rf "$folder""#;
const GARAGE_SECRET: &str = "5f0c1e2d3b4a59687786958473625140f1e2d3c4b5a69788796a5b4c3d2e1f00";
const MINIO_SECRET: &str = "a-secret-of-minio-for-tests";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A store that runs, or one that `HAULIER_TEST_S3_URL` names.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    /// For messages.
    pub(crate) name: &'static str,
    /// Without a prefix: `s3://BUCKET`.
    bucket_url: String,
    /// What follows the prefix.
    options: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    _process: Option<(Child, ChildStdin)>,
}

/// Where a store keeps its objects; in a folder of its own, if nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) folder: Option<PathBuf>,
    /// A program, with its arguments, that runs the store's program.
    pub(crate) wrapper: Vec<OsString>,
}

impl ObjectStore {
    /// Every store that this run tests with. One that is missing fails the test.
    pub(crate) fn all() -> Vec<&'static Self> {
        static GARAGE: OnceLock<ObjectStore> = OnceLock::new();
        static MINIO: OnceLock<ObjectStore> = OnceLock::new();
        static OTHER: OnceLock<Option<ObjectStore>> = OnceLock::new();
        let mut stores = vec![GARAGE.get_or_init(|| Self::start_garage(&Disk::default()))];
        if std::env::var_os("HAULIER_TEST_WITHOUT_MINIO").is_none() {
            stores.push(MINIO.get_or_init(|| Self::start_minio(&Disk::default(), None)));
        }
        stores.extend(OTHER.get_or_init(Self::elsewhere));
        stores
    }

    /// The same stores, new ones, each with its objects on a disk that it gets.
    pub(crate) fn all_on(disk: impl Fn() -> Disk) -> Vec<Self> {
        let mut stores = vec![Self::start_garage(&disk())];
        if std::env::var_os("HAULIER_TEST_WITHOUT_MINIO").is_none() {
            stores.push(Self::start_minio(&disk(), None));
        }
        stores
    }

    /// The process that keeps the objects.
    pub(crate) fn pid(&self) -> u32 {
        let guard = self._process.as_ref().expect("a store of the test's own").0.id();
        let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).expect("it runs");
        // The other child is `cat`.
        let first = children.split_whitespace().next().expect("a child");
        first.parse().expect("a number")
    }

    /// The value of HAULIER_BLOB_URL for objects below `prefix`.
    pub(crate) fn url(&self, prefix: &str) -> String {
        format!("{}/{prefix}?{}", self.bucket_url, self.options)
    }

    fn start_garage(disk: &Disk) -> Self {
        let folder = tempfile::TempDir::with_prefix("haulier-garage-").expect("a folder").keep();
        let [api, rpc, admin] = free_ports();
        let secret = GARAGE_SECRET;
        let settings = format!(
            "metadata_dir = {:?}\ndata_dir = {:?}\ndb_engine = \"lmdb\"\nreplication_factor = 1\n\
             compression_level = \"none\"\nmetadata_fsync = false\ndata_fsync = false\n\
             rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\nrpc_secret = \"{secret}\"\n\
             [s3_api]\ns3_region = \"garage\"\napi_bind_addr = \"127.0.0.1:{api}\"\n\
             [admin]\napi_bind_addr = \"127.0.0.1:{admin}\"\n",
            folder.join("meta"),
            disk.folder.clone().unwrap_or_else(|| folder.join("data")),
        );
        std::fs::write(folder.join("garage.toml"), settings).expect("written");
        let access_key = "GK0123456789abcdef01234567".to_owned();
        let env: [(&str, OsString); 4] = [
            ("GARAGE_CONFIG_FILE", folder.join("garage.toml").into()),
            ("GARAGE_DEFAULT_ACCESS_KEY", access_key.clone().into()),
            ("GARAGE_DEFAULT_SECRET_KEY", secret.into()),
            ("GARAGE_DEFAULT_BUCKET", "haulier-test".into()),
        ];
        let words = ["server".as_ref(), "--single-node".as_ref(), "--default-bucket".as_ref()];
        let process = start("garage", &folder, disk, &words, &env);
        wait_until_ready("garage", admin, "/health", " 200");
        // As MinIO's user: buckets can be made.
        let allow = Command::new(installed("garage"))
            .arg("-c")
            .arg(folder.join("garage.toml"))
            .args(["key", "allow", "--create-bucket", &access_key])
            .output();
        let allow = allow.expect("garage runs");
        assert!(allow.status.success(), "{allow:?}");
        Self {
            name: "Garage",
            bucket_url: "s3://haulier-test".to_owned(),
            options: format!("endpoint=http://127.0.0.1:{api}&region=garage"),
            access_key,
            secret_key: secret.to_owned(),
            _process: Some(process),
        }
    }

    /// Over HTTPS where a folder holds `public.crt` and `private.key`.
    pub(crate) fn start_minio(disk: &Disk, certificates: Option<&Path>) -> Self {
        let folder = tempfile::TempDir::with_prefix("haulier-minio-").expect("a folder").keep();
        let [api, console] = free_ports();
        let access_key = "haulier-test-user".to_owned();
        let env: [(&str, OsString); 4] = [
            ("HOME", folder.clone().into()),
            ("MINIO_ROOT_USER", access_key.clone().into()),
            ("MINIO_ROOT_PASSWORD", MINIO_SECRET.into()),
            ("MINIO_BROWSER", "off".into()),
        ];
        let data = disk.folder.clone().unwrap_or_else(|| folder.join("data"));
        let api_address = format!("127.0.0.1:{api}");
        let console_address = format!("127.0.0.1:{console}");
        let mut words: Vec<&OsStr> = vec![
            "server".as_ref(),
            data.as_ref(),
            "--address".as_ref(),
            api_address.as_ref(),
            "--console-address".as_ref(),
            console_address.as_ref(),
        ];
        words.extend(certificates.iter().flat_map(|folder| ["--certs-dir".as_ref(), folder.as_os_str()]));
        let process = start("minio", &folder, disk, &words, &env);
        // Asked without TLS, one that has it serves once it refuses.
        let (scheme, path, ready) = match certificates {
            None => ("http", "/minio/health/ready", " 200"),
            Some(_) => ("https", "/", " 400"),
        };
        wait_until_ready("minio", api, path, ready);
        Self {
            name: "MinIO",
            bucket_url: "s3://haulier-test".to_owned(),
            options: format!("endpoint={scheme}://127.0.0.1:{api}&region=us-east-1&create=true"),
            access_key,
            secret_key: MINIO_SECRET.to_owned(),
            _process: Some(process),
        }
    }

    /// The store of `HAULIER_TEST_S3_URL`, with the credentials of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    fn elsewhere() -> Option<Self> {
        let url = std::env::var("HAULIER_TEST_S3_URL").ok()?;
        let (bucket_url, options) = url.split_once('?').unwrap_or((&url, ""));
        let credential = |name| std::env::var(name).unwrap_or_else(|_| panic!("HAULIER_TEST_S3_URL needs {name}"));
        Some(Self {
            name: "the store of HAULIER_TEST_S3_URL",
            bucket_url: bucket_url.trim_end_matches('/').to_owned(),
            options: options.to_owned(),
            access_key: credential("AWS_ACCESS_KEY_ID"),
            secret_key: credential("AWS_SECRET_ACCESS_KEY"),
            _process: None,
        })
    }
}

fn start(program: &str, folder: &Path, disk: &Disk, words: &[&OsStr], env: &[(&str, OsString)]) -> (Child, ChildStdin) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(GUARD).arg(folder).args(&disk.wrapper).arg(installed(program)).args(words);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("RUST_LOG", "error").envs(env.iter().map(|(name, value)| (name, value)));
    let log = std::fs::File::create(folder.join("log")).expect("a log file");
    command.stdin(Stdio::piped()).stdout(log.try_clone().expect("cloned")).stderr(log);
    let mut child = command.spawn().expect("sh starts");
    let stdin = child.stdin.take().expect("piped");
    (child, stdin)
}

/// Where `make test` installs what tests need, else on PATH.
fn installed(program: &str) -> PathBuf {
    let cached = std::env::home_dir().expect("a home").join(".cache/haulier/bin").join(program);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    let found = if cached.is_file() { Some(cached) } else { on_path() };
    found.unwrap_or_else(|| {
        panic!(
            "{program} is not installed: run scripts/install-test-tools \
             (without Go, HAULIER_TEST_WITHOUT_MINIO=1 leaves MinIO out)"
        )
    })
}

/// Ports that were free a moment ago, all of them different.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

fn wait_until_ready(program: &str, port: u16, path: &str, status: &str) {
    let begun = Instant::now();
    while !answers(port, path, status) {
        assert!(begun.elapsed() < START_TIMEOUT, "{program} does not get ready on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(port: u16, path: &str, expected: &str) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = socket.write_all(format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes());
    let mut status = [0; 12];
    asked.is_ok() && socket.read_exact(&mut status).is_ok() && status.ends_with(expected.as_bytes())
}
