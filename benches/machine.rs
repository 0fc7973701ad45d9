//! What the figures were taken on, and how fast its ciphers are.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use haulier_server::clock::{Clock as _, SystemClock};

use crate::folder::WorkFolder;
use crate::garage::Garage;
use crate::postgres::Postgres;
use crate::{nginx, note};

/// Block sizes of the cipher's baseline, in bytes.
pub(crate) const BLOCKS: [u32; 4] = [8 << 10, 64 << 10, 256 << 10, 1 << 20];

/// One machine, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) disk: String,
    pub(crate) system: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) nginx: String,
    pub(crate) openssl: String,
    pub(crate) garage: String,
    pub(crate) postgres: String,
    /// Processes that wanted to run before the first measurement, on average of a minute.
    pub(crate) load: String,
    /// MB per second of AES-256-GCM on one core, for each of [`BLOCKS`].
    pub(crate) cipher: [f64; 4],
}

impl Machine {
    pub(crate) fn look(folder: &WorkFolder) -> anyhow::Result<Self> {
        let load = fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or("?").to_owned();
        if load.parse::<f64>().is_ok_and(|load| load > 0.5) {
            note(format_args!("the machine is not quiet (load {load}): do not believe the figures"));
        }
        Ok(Self {
            date: SystemClock.now().strftime("%Y-%m-%d").to_string(),
            commit: commit(),
            processor: field("/proc/cpuinfo", "model name")?,
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory_kib()?.div_ceil(1 << 20),
            disk: folder.disk.clone(),
            system: field("/etc/os-release", "PRETTY_NAME").map_or("?".into(), |name| name.trim_matches('"').into()),
            kernel: said("uname", &["-r"]),
            rustc: said("rustc", &["--version"]),
            nginx: nginx::version().unwrap_or_else(|| "none".to_owned()),
            openssl: said("openssl", &["version"]).split(" (").next().unwrap_or("?").to_owned(),
            garage: Garage::version().unwrap_or_else(|| "none".to_owned()),
            postgres: Postgres::version().unwrap_or_else(|| "none".to_owned()),
            load,
            cipher: cipher_speeds()?,
        })
    }
}

/// `openssl speed` on one core, a second for each block size.
pub(crate) fn cipher_speeds() -> anyhow::Result<[f64; 4]> {
    let mut speeds = [0.0; 4];
    for (speed, block) in speeds.iter_mut().zip(BLOCKS) {
        *speed = cipher_speed(block)?;
    }
    Ok(speeds)
}

fn cipher_speed(block: u32) -> anyhow::Result<f64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-seconds", "1", "-bytes", &block.to_string(), "-evp", "aes-256-gcm"]);
    let output = command.output().context("openssl is needed beside haulier's figures")?;
    ensure!(output.status.success(), "openssl speed failed");
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().and_then(|line| line.split_whitespace().last());
    // Thousands of bytes a second.
    let thousands: f64 =
        last.and_then(|word| word.strip_suffix('k')).context("openssl speed says no figure")?.parse()?;
    Ok(thousands / 1e3)
}

/// The value of `name: value` or `name=value`.
fn field(path: &str, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("{path} has no {name}"))?;
    let (_, value) = line.split_once([':', '=']).context("no value")?;
    Ok(value.trim().to_owned())
}

fn memory_kib() -> anyhow::Result<u64> {
    Ok(field("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse()?)
}

/// The commit that was measured; `+` when files differ from it, but for the report itself.
fn commit() -> String {
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/BENCHMARKS.md"]);
    let mark = if changed.is_empty() { "" } else { "+" };
    format!("{}{mark}", said("git", &["rev-parse", "--short", "HEAD"]))
}

/// What a program prints, or `?`.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.ok().filter(|output| output.status.success());
    text.map_or_else(|| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
