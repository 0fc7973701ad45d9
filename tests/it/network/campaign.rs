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
    kills: usize,
    /// Longest time between two kills.
    pause: Duration,
}

/// Bytes, bytes a second and kills in each direction.
fn size() -> (usize, u64, usize) {
    if std::env::var_os("HAULIER_SOAK").is_some() { (2 << 30, 128 << 20, 25) } else { (96 << 20, 32 << 20, 6) }
}

fn one_of(count: usize) -> usize {
    usize::from(random_bytes(1)[0]) % count
}

impl Campaign {
    async fn begin() -> (Self, PathBuf) {
        let (bytes, bytes_per_second, kills) = size();
        let data = tempfile::TempDir::new().expect("a folder");
        let server = Server::start_with(ServerOptions::default().data_dir(data.path()));
        let proxy = Proxy::to(server.address()).await;
        proxy.record().drop_bodies();
        proxy.limit(bytes_per_second);
        let haulier = Haulier::new();
        let path = haulier.file("a.bin", &random_bytes(bytes));
        let seconds = bytes as u64 / bytes_per_second;
        let pause = Duration::from_millis(seconds * 1_000 / (kills as u64 + 1) * 2);
        (Self { server, proxy, haulier, data, kills, pause }, path)
    }

    /// Runs a command again and again, with kills of it and of the server at random moments, until it has done its work.
    async fn run(&mut self, arguments: &[&str]) -> String {
        let mut child = self.start(arguments);
        for _ in 0..self.kills {
            tokio::time::sleep(self.pause * u32::from(random_bytes(1)[0]) / 256).await;
            if one_of(2) == 0 {
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
    let link = campaign.run(&["send", text(&path), "--to", &url, "--quiet"]).await;
    let puts = campaign.proxy.record().whole_puts();
    assert_eq!(puts.keys().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 1, "one transfer");
    let twice = campaign.proxy.record().puts_of_stored_chunks();
    println!("{twice} chunks were sent although they were stored, in {} kills", campaign.kills);
    assert!(twice <= WINDOW, "{twice} chunks were sent although they were stored, at most {WINDOW} may be");

    let target = campaign.haulier.home().join("back.bin");
    campaign.run(&["get", &link, "-o", text(&target), "--quiet"]).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
    let gets = campaign.proxy.record().whole_gets();
    let twice = gets.values().sum::<usize>() - gets.len();
    println!("{twice} of {} chunks came twice in {} kills", gets.len(), campaign.kills);
    assert!(twice <= campaign.kills * WINDOW);
}
