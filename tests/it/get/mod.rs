//! Getting with the real CLI through a relay: what goes on, what is kept, and where files land.

mod files;
mod places;
mod resume;
mod stream;
mod trouble;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use crate::harness::{Action, Haulier, Proxy, Server, random_bytes};

const CHUNK: usize = 64 << 10;
/// Chunks that the CLI has under way at once.
const WINDOW: usize = 8;

/// A receiver, and a server behind a relay.
struct Way {
    server: Server,
    proxy: Proxy,
    haulier: Haulier,
    link: String,
    id: String,
    sent: Vec<u8>,
}

impl Way {
    /// Sends a file of so many chunks and one byte more.
    async fn with_chunks(chunks: usize) -> Self {
        let haulier = Haulier::new();
        let sent = random_bytes(chunks * CHUNK + 1);
        let path = haulier.file("sent.bin", &sent);
        let way = Self::with(haulier, &path, &["--chunk-size", "64KiB"]).await;
        Self { sent, ..way }
    }

    /// Sends what is at `path`.
    async fn with(haulier: Haulier, path: &Path, more: &[&str]) -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.address()).await;
        let sent = haulier.send(path, server.url(), more).await;
        let link = sent.link.replace(server.url(), proxy.url());
        std::fs::create_dir(haulier.home().join("there")).expect("made");
        Self { server, proxy, haulier, link, id: sent.transfer_id, sent: Vec::new() }
    }

    fn there(&self) -> PathBuf {
        self.haulier.home().join("there")
    }

    fn target(&self) -> PathBuf {
        self.there().join("got.bin")
    }

    async fn get(&self, more: &[&str]) -> Output {
        self.haulier.run([&["get", self.link.as_str()], more].concat()).await
    }

    /// Gets to the usual target.
    async fn get_there(&self) -> Output {
        self.get(&["--json", "-o", "there/got.bin"]).await
    }

    fn start(&self) -> Child {
        let mut command = self.haulier.command(["get", &self.link, "-o", "there/got.bin"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("haulier starts")
    }

    /// Gets slowly, and is killed once so many chunks have come.
    async fn killed_after(&self, chunks: usize) {
        self.proxy.limit(4 << 20);
        let mut child = self.start();
        let before = self.gets();
        while self.gets() < before + chunks {
            assert!(child.try_wait().expect("a child").is_none(), "it ended too early");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // What was on its way to the killed one would count as the next one's.
        self.proxy.hang_up().await;
        self.proxy.limit(1 << 30);
        assert!(!self.target().exists());
    }

    /// How many chunks went to the receiver whole.
    fn gets(&self) -> usize {
        self.proxy.record().whole_gets().values().sum()
    }

    /// Which chunks were asked for.
    fn asked(&self) -> BTreeSet<u32> {
        let all = self.proxy.record().all();
        all.iter()
            .filter(|exchange| exchange.request.method == "GET")
            .filter_map(|exchange| exchange.chunk())
            .map(|(_, index)| index)
            .collect()
    }

    /// What is hidden beside the target: the part, the log, what was arriving.
    fn hidden(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.there()).expect("a folder").map(|entry| entry.expect("one").path());
        let mut hidden: Vec<_> = entries
            .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".haulier-")))
            .collect();
        hidden.sort();
        hidden
    }

    fn part(&self) -> PathBuf {
        self.hidden().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "part")).expect("a part")
    }

    /// The beginnings of chunks that were on their way.
    fn arriving(&self) -> PathBuf {
        let mut hidden = self.hidden().into_iter();
        hidden.find(|path| path.extension().is_some_and(|kind| kind == "arriving")).expect("chunks were arriving")
    }

    fn log(&self) -> PathBuf {
        self.hidden().into_iter().find(|path| path.extension().is_some_and(|kind| kind == "chunks")).expect("a log")
    }

    /// Asserts that the target is there, whole, and nothing beside it.
    fn arrived(&self, output: &Output) {
        assert!(output.status.success(), "{output:?}");
        assert!(std::fs::read(self.target()).expect("there") == self.sent, "the bytes differ");
        assert_eq!(self.hidden(), Vec::<PathBuf>::new());
    }
}

fn says(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn is_chunk(path: &str) -> bool {
    path.contains("/download/") && path.contains("/chunk/")
}

/// Cuts every chunk's answer off, on its first try only, after so many bytes.
fn cut_first_tries(proxy: &Proxy, after: u64) {
    let seen = std::sync::Mutex::new(BTreeSet::new());
    proxy.on(move |request| {
        let is_first = is_chunk(&request.path) && seen.lock().expect("fine").insert(request.path.clone());
        if is_first { Action::CutAnswerAfter(after) } else { Action::Pass }
    });
}
