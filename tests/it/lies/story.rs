//! What a server says of one transfer, and what a reader makes of it.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::forge;
use crate::harness::{Action, Answer, Haulier, Proxy, Request, Server, random_bytes};

pub(super) const CHUNK: usize = 64 << 10;
pub(super) const PASSPHRASE: &str = "correct horse battery staple";

/// No lie makes a reader need more memory, or write a longer file.
const LIMITS: [&str; 2] = ["--as=1073741824", "--fsize=1048576"];

/// Every answer that a reader gets: honest at first, then edited.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) info: Value,
    pub(super) manifest: Value,
    pub(super) chunks: Vec<Vec<u8>>,
}

/// A transfer, and the relay that tells stories about it.
pub(super) struct Liar {
    pub(super) proxy: Proxy,
    pub(super) link: String,
    pub(super) id: String,
    pub(super) contents: Vec<u8>,
    pub(super) honest: Story,
    _server: Server,
}

/// How one `haulier get` ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) exit: Option<i32>,
    pub(super) says: String,
    /// Everything in the reader's home but its state.
    pub(super) left: Vec<String>,
    home: Haulier,
}

impl Liar {
    /// Sends three chunks honestly and notes what the server says about them. `flags` choose the key mode.
    pub(super) async fn about(flags: &[&str]) -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.address()).await;
        let haulier = Haulier::new().env("HAULIER_PASSPHRASE", PASSPHRASE);
        let contents = random_bytes(2 * CHUNK + 5);
        let path = haulier.file("a.txt", &contents);
        let flags: Vec<&str> = [&["--chunk-size", "64KiB"], flags].concat();
        let sent = haulier.send(&path, proxy.url(), &flags).await;
        haulier.get(&sent.link, &haulier.home().join("honest")).await;
        let answer = |part: &str| {
            let all = proxy.record().all();
            let found = all.iter().find(|exchange| exchange.request.is("GET", part)).expect("asked for");
            found.answer.clone()
        };
        let json = |part: &str| serde_json::from_slice(&answer(part)).expect("JSON");
        let honest = Story {
            info: json("/info/"),
            manifest: json("/manifest/"),
            chunks: (0..3).map(|index| answer(&format!("/download/{}/chunk/{index}", sent.transfer_id))).collect(),
        };
        Self { proxy, link: sent.link, id: sent.transfer_id, contents, honest, _server: server }
    }

    /// A SEED transfer, as a client of the seed alone makes it: nobody's but the server's word for its numbers.
    pub(super) async fn about_seed() -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.address()).await;
        let (key, contents) = (random_bytes(32), random_bytes(2 * CHUNK + 5));
        let id = blake3::hash(&key).to_hex()[..32].to_owned();
        let link = format!("{}/#{id}/{}", proxy.url(), haulier_wire::encoding::to_base64url(&key));
        let honest = forge::seed_story(&id, &key, &contents, CHUNK);
        Self { proxy, link, id, contents, honest, _server: server }
    }

    /// Tells a story to `haulier get`.
    pub(super) async fn tells(&self, story: &Story) -> Outcome {
        let story = story.clone();
        self.proxy.on(move |request| Action::Answer(story.answer(request)));
        self.get().await
    }

    /// Runs `haulier get` in a home of its own, whatever the relay does.
    pub(super) async fn get(&self) -> Outcome {
        let home = Haulier::new().env("HAULIER_PASSPHRASE", PASSPHRASE);
        let get = home.command(["get", "--parallel", "1", &self.link, "-o", "target"]);
        let mut limited = Command::new("prlimit");
        limited.args(LIMITS).arg(get.get_program()).args(get.get_args()).current_dir(home.home()).env_clear();
        limited.envs(get.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || limited.output().expect("prlimit runs")).await;
        let output = output.expect("not cancelled");
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        let names = std::fs::read_dir(home.home()).expect("a home").map(|entry| entry.expect("an entry").file_name());
        let left = names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "state").collect();
        if let Some(key) = self.link.split('/').find(|part| part.len() == 43) {
            assert!(!says.contains(key), "the key is shown: {says}");
        }
        Outcome { exit: output.status.code(), says, left, home }
    }
}

impl Story {
    pub(super) fn with_manifest(mut self, edits: &[Edit]) -> Self {
        edits.iter().for_each(|edit| edit.apply(&mut self.manifest));
        self
    }

    pub(super) fn with_info(mut self, edits: &[Edit]) -> Self {
        edits.iter().for_each(|edit| edit.apply(&mut self.info));
        self
    }

    /// The answer to one request.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let json = |value: &Value| Answer::new(200, "application/json", value.to_string());
        let index = request.path.rsplit_once("/chunk/").and_then(|(_, index)| index.parse::<usize>().ok());
        match index {
            Some(index) => Answer::new(200, "application/octet-stream", self.chunks[index].clone()),
            None if request.path.contains("/info/") => json(&self.info),
            None => json(&self.manifest),
        }
    }
}

impl Outcome {
    /// Asserts a refusal that leaves nothing behind; where the transfer may still be right, what opened is kept.
    pub(super) fn is_refused(&self, case: &str, exit: i32, says: &str) {
        assert_eq!(self.exit, Some(exit), "{case}: {}", self.says);
        assert!(self.says.contains(says), "{case} should say {says:?}: {}", self.says);
        let is_kept = |name: &String| self.says.contains("What has arrived is kept") && name.starts_with(".haulier-");
        let left: Vec<_> = self.left.iter().filter(|name| !is_kept(name)).collect();
        assert!(left.is_empty(), "{case} leaves {left:?}");
    }

    /// Asserts that the sender's file is there.
    pub(super) fn is_the_file(&self, case: &str, liar: &Liar) {
        assert_eq!(self.exit, Some(0), "{case}: {}", self.says);
        let found = std::fs::read(self.home.home().join("target")).expect("the target");
        assert!(found == liar.contents, "{case}: other contents");
    }
}

/// One change to a JSON answer: the member by its pointer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Sets it, to a value written as JSON; adds it where it is missing.
    Set(&'static str, &'static str),
    Remove(&'static str),
    /// Changes one bit in the middle of a base64url text.
    Flip(&'static str),
}

impl Edit {
    pub(super) fn apply(self, json: &mut Value) {
        let (Self::Set(pointer, _) | Self::Remove(pointer) | Self::Flip(pointer)) = self;
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        // A member of what another edit removed.
        let Some(Value::Object(parent)) = json.pointer_mut(parent) else { return };
        match self {
            Self::Set(_, value) => {
                parent.insert(name.into(), serde_json::from_str(value).expect("JSON"));
            }
            Self::Remove(_) => {
                parent.remove(name);
            }
            Self::Flip(_) => {
                let Some(Value::String(text)) = parent.get_mut(name) else { return };
                let mut bytes = std::mem::take(text).into_bytes();
                let middle = bytes.len() / 2;
                bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
                *text = String::from_utf8(bytes).expect("ASCII");
            }
        }
    }
}
