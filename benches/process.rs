//! A server or client as a process of its own, and what it costs according to /proc.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How often a running client's peak is looked at: its last moments are gone once it ends.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Ticks of /proc/PID/stat in a second: 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot run {}", command.get_program().display()))? })
    }

    /// Starts a server that prints `... http://ADDRESS` as its first line.
    pub(crate) fn start_server(command: &mut Command) -> anyhow::Result<(Self, SocketAddr)> {
        let mut process = Self::start(command.stdout(Stdio::piped()))?;
        let mut lines = BufReader::new(process.child.stdout.take().context("standard output is piped")?).lines();
        let first = lines.next().context("a server ended before it served")??;
        let address = first.rsplit("http://").next().context("no address")?.parse();
        // Read on, or the server would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((process, address.with_context(|| format!("no address in: {first}"))?))
    }

    /// CPU seconds of the process and of the processes that it started and that still run.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.family()?.into_iter().map(|pid| stat_seconds(&pid.to_string(), 11)).sum()
    }

    /// The most memory that the process and those that it started held, added up, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        self.family()?.into_iter().map(peak_rss_bytes).sum()
    }

    fn family(&self) -> anyhow::Result<Vec<u32>> {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        std::iter::once(Ok(own)).chain(children.split_whitespace().map(|pid| Ok(pid.parse()?))).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx passes SIGTERM on to its workers; SIGKILL would leave them behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// What a program cost that ran to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_bytes: u64,
}

/// Runs a program to its end. It must succeed, and no other child may end meanwhile: their CPU time is counted together.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Finished> {
    let before = stat_seconds("self", 13)?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let pid = child.id();
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak_rss_bytes(pid).unwrap_or(peak).max(peak);
        std::thread::sleep(LOOK_EVERY);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} failed: {}", command.get_program().display(), output.status);
    let cpu_seconds = stat_seconds("self", 13)? - before;
    Ok(Finished { stdout: String::from_utf8(output.stdout)?, cpu_seconds, peak_rss_bytes: peak })
}

/// The sum of two neighbouring fields of /proc/PID/stat, counted from 0 behind the program's name: user and system time.
fn stat_seconds(pid: &str, field: usize) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("an unexpected /proc/PID/stat")?;
    let ticks = rest.split(' ').skip(field).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

fn peak_rss_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? * 1024)
}

/// A program that cargo built beside this one.
pub(crate) fn built(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_haulier-server")).with_file_name(name);
    ensure!(path.is_file(), "{} is missing: run make bench, which builds it", path.display());
    Ok(path)
}
