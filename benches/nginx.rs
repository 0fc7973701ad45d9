//! The baseline of the GETs: nginx with sendfile, serving the very files that Haulier stored.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::folder::WorkFolder;
use crate::process::Process;

const MOST_WORKERS: usize = 2;
const LONGEST_START: Duration = Duration::from_secs(10);

/// How nginx gets a file into a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// The kernel lends the pages of its cache to the socket: plain HTTP alone.
    Sendfile,
    /// Read and written, as everyone must who encrypts on the way, or cannot reach the socket.
    Copies,
}

impl Sending {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sendfile => "nginx",
            Self::Copies => "nginx without sendfile",
        }
    }
}

/// Starts nginx over the files of `root`.
pub(crate) fn start(folder: &WorkFolder, root: &Path, sending: Sending) -> anyhow::Result<(Process, SocketAddr)> {
    let prefix = folder.make("nginx")?;
    // nginx cannot take port 0: the system names a free one, which is closed again before nginx takes it.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = prefix.join("nginx.conf");
    fs::write(&config, configuration(root, address, sending)?)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&prefix).arg("-c").arg(&config).args(["-e", "stderr"]);
    let process = Process::start(&mut command).context("make bench installs nginx where it can")?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < LONGEST_START, "nginx does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((process, address))
}

/// The version, as nginx tells it.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("nginx").arg("-v").output().ok()?;
    let text = String::from_utf8(output.stderr).ok()?;
    Some(text.trim().rsplit('/').next()?.to_owned())
}

fn configuration(root: &Path, address: SocketAddr, sending: Sending) -> anyhow::Result<String> {
    let workers = std::thread::available_parallelism()?.get().min(MOST_WORKERS);
    let mut text = String::from("daemon off;\npid nginx.pid;\nerror_log stderr warn;\n");
    // The stored files are their owner's alone; a worker of root's nginx would be another user.
    if is_root()? {
        text.push_str("user root;\n");
    }
    writeln!(text, "worker_processes {workers};\nevents {{ worker_connections 1024; }}")?;
    let sending = match sending {
        Sending::Sendfile => "sendfile on; tcp_nopush on;",
        Sending::Copies => "sendfile off; output_buffers 2 128k;",
    };
    writeln!(text, "http {{\n    access_log off; {sending} keepalive_requests 1000000;")?;
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "    {name}_temp_path {name}_temp;")?;
    }
    writeln!(text, "    server {{ listen {address}; root \"{}\"; }}\n}}", root.display())?;
    Ok(text)
}

fn is_root() -> anyhow::Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("Uid:")).context("no Uid in /proc/self/status")?;
    Ok(line.split_whitespace().nth(2) == Some("0"))
}
