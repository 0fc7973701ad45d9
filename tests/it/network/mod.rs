//! Networks and processes that break off: the same command goes on, and only what is missing travels.

mod again;
mod campaign;
mod cuts;
mod kill;
mod unseen;

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Haulier, Proxy, Server, ServerOptions, random_bytes, sha256_of};

/// 256 chunks of 64 KiB: half of them are a number to count, and the whole is quick.
const CHUNKS: usize = 256;
const FILE_BYTES: usize = CHUNKS << 16;
/// Longest wait for half of a file.
const PATIENCE: Duration = Duration::from_secs(40);
/// Chunks under way at once: what may travel twice when all is lost.
const WINDOW: usize = 8;

/// One file, its sender, and the network between them and the server.
struct Journey {
    server: Server,
    proxy: Proxy,
    haulier: Haulier,
    path: PathBuf,
    data: tempfile::TempDir,
}

impl Journey {
    async fn begin() -> Self {
        let data = tempfile::TempDir::new().expect("a folder");
        let server = Server::start_with(ServerOptions::default().data_dir(data.path()));
        let proxy = Proxy::to(server.address()).await;
        let haulier = Haulier::new();
        let path = haulier.file("a.bin", &random_bytes(FILE_BYTES));
        Self { server, proxy, haulier, path, data }
    }

    fn arguments(&self) -> Vec<String> {
        let path = self.path.to_str().expect("UTF-8");
        ["send", path, "--to", self.proxy.url(), "--chunk-size", "64KiB"].map(str::to_owned).to_vec()
    }

    /// Runs the command to its end, which must be a good one; returns the link and what was said.
    async fn send(&self) -> (String, String) {
        told(&self.haulier.run(self.arguments()).await)
    }

    /// Starts the command.
    fn start(&self, haulier: &Haulier) -> Child {
        let mut command = haulier.command(self.arguments());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("haulier starts")
    }

    /// Starts the command and kills it, as kill -9 does, once so many chunks have left.
    async fn send_killed_after(&self, chunks: usize) {
        let mut child = self.start(&self.haulier);
        self.chunks_left(chunks).await;
        child.kill().expect("it can be killed");
        assert!(!child.wait().expect("it has ended").success());
    }

    /// Waits until so many chunks have left, whole.
    async fn chunks_left(&self, chunks: usize) {
        wait_until(|| self.proxy.record().whole_puts().len() >= chunks).await;
    }

    /// Waits until so many chunks have come to a reader, whole.
    async fn chunks_came(&self, chunks: usize) {
        wait_until(|| self.proxy.record().whole_gets().len() >= chunks).await;
    }

    /// Kills the server, as kill -9 does, and starts another on the same port and data.
    fn restart_server(&mut self) {
        self.server.kill();
        let address = self.server.address().to_owned();
        let options = ServerOptions::default().data_dir(self.data.path()).env("HAULIER_LISTEN", address);
        self.server = Server::start_with(options);
    }

    /// Gets what a link stands for, and compares it with the file as it is now.
    async fn arrives(&self, link: &str) {
        self.proxy.record().assert_sealed_once();
        let reader = Haulier::new();
        let target = reader.home().join("a.out");
        reader.get(link, &target).await;
        assert_eq!(sha256_of(&target), sha256_of(&self.path));
    }

    /// Asserts that every chunk left, and that at most so many left twice.
    fn travelled_twice_at_most(&self, most: usize) {
        let puts = self.proxy.record().whole_puts();
        assert_eq!(puts.len(), CHUNKS, "one transfer");
        let twice = puts.values().sum::<usize>() - CHUNKS;
        assert!(twice <= most, "{twice} chunks travelled again, at most {most} may");
    }

    /// The ids of all transfers that were begun, each once.
    fn transfers(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for create in self.proxy.record().creates() {
            let id = create["transfer_id"].as_str().expect("an id").to_owned();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

async fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not get there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Link and messages of a send that went well.
fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{output:?}");
    (text(&output.stdout), text(&output.stderr))
}
