//! One transfer, up and down, with many kills of either side: it arrives whole, and hardly anything travels twice.
//!
//! `make soak` runs it with 2 GiB and 50 kills.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::WINDOW;
use crate::harness::{Haulier, Proxy, Server, ServerOptions, random_bytes, sha256_of};

struct Campaign {
    server: Server,
    proxy: Proxy,
    haulier: Haulier,
    data: tempfile::TempDir,
    size: Size,
    /// Longest time between two kills.
    pause: Duration,
}

/// What travels, how fast, and how often it is broken off.
struct Size {
    bytes: usize,
    /// As `--chunk-size` takes it.
    chunk_size: &'static str,
    bytes_per_second: u64,
    /// In each direction.
    kills: usize,
    /// Chunks that may travel twice, both ways and all kills together.
    twice: usize,
}

/// A window of 128 MiB holds 16 chunks of 8 MiB.
const SOAK: Size = Size { bytes: 2 << 30, chunk_size: "8MiB", bytes_per_second: 128 << 20, kills: 25, twice: 16 };
/// The same in a few seconds: as many chunks as are under way at once.
const SHORT: Size = Size { bytes: 48 << 20, chunk_size: "1MiB", bytes_per_second: 8 << 20, kills: 6, twice: WINDOW };

fn one_of(count: usize) -> usize {
    usize::from(random_bytes(1)[0]) % count
}

impl Campaign {
    async fn begin() -> (Self, PathBuf) {
        let size = if std::env::var_os("HAULIER_SOAK").is_some() { SOAK } else { SHORT };
        let data = tempfile::TempDir::new().expect("a folder");
        let server = Server::start_with(ServerOptions::default().data_dir(data.path()));
        let proxy = Proxy::to(server.address()).await;
        proxy.record().drop_bodies();
        proxy.limit(size.bytes_per_second);
        let haulier = Haulier::new();
        let path = haulier.file("a.bin", &random_bytes(size.bytes));
        let seconds = size.bytes as u64 / size.bytes_per_second;
        let pause = Duration::from_millis(seconds * 1_000 / (size.kills as u64 + 1) * 2);
        (Self { server, proxy, haulier, data, size, pause }, path)
    }

    /// Runs a command again and again, with kills of it and of the server at random moments, until it has done its work.
    async fn run(&mut self, arguments: &[&str]) -> String {
        let mut child = self.start(arguments);
        // In turns, so that both sides have their share of a few.
        let first = one_of(2);
        for kill in 0..self.size.kills {
            tokio::time::sleep(self.pause * u32::from(random_bytes(1)[0]) / 256).await;
            if (first + kill).is_multiple_of(2) {
                self.server.kill();
                let address = self.server.address().to_owned();
                let options = ServerOptions::default().data_dir(self.data.path()).env("HAULIER_LISTEN", address);
                self.server = Server::start_with(options);
            } else if child.try_wait().expect("it can be asked").is_none() {
                child.kill().expect("it can be killed");
                child.wait().expect("it has ended");
                child = self.start(arguments);
            }
        }
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends")).await;
        let output = output.expect("not cancelled");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.haulier.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("haulier starts")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn many_kills_of_either_side_lose_nothing_and_hardly_repeat_anything() {
    let (mut campaign, path) = Campaign::begin().await;
    let url = campaign.proxy.url().to_owned();
    let Size { chunk_size, kills, twice, .. } = campaign.size;
    let link = campaign.run(&["send", text(&path), "--to", &url, "--quiet", "--chunk-size", chunk_size]).await;
    let puts = campaign.proxy.record().whole_puts();
    assert_eq!(puts.keys().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 1, "one transfer");

    let target = campaign.haulier.home().join("back.bin");
    campaign.run(&["get", &link, "-o", text(&target), "--quiet"]).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));

    let record = campaign.proxy.record();
    let (up, down) = (record.travelled_again("PUT"), record.travelled_again("GET"));
    let (up_bytes, down_bytes) = record.chunk_bytes();
    println!(
        "of {} chunks {up} went up and {down} came down twice in {} kills; {} of them went up although they were stored; \
         {} and {} MiB in all",
        puts.len(),
        2 * kills,
        record.puts_of_stored_chunks(),
        up_bytes >> 20,
        down_bytes >> 20,
    );
    assert!(up + down <= twice, "{up} chunks went up and {down} came down twice, at most {twice} may in all");
}
