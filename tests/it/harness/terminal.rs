//! A terminal of a chosen width, with somebody who reads and types: `script` runs the program in it.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What stops a person who waits for words that never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program at a terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    seen: Arc<Mutex<String>>,
    /// Where the words end that were waited for.
    read_up_to: usize,
}

impl Terminal {
    /// Starts `command` at a terminal of so many columns.
    pub(crate) fn start(command: &Command, columns: u32) -> Self {
        let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().expect("UTF-8").replace('\'', r"'\''"));
        let words: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
        let line = format!("stty cols {columns} rows 50; exec {}", words.join(" "));
        let envs = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear();
        script.env("PATH", std::env::var_os("PATH").expect("a PATH")).env("SHELL", "/bin/sh").env("TERM", "xterm");
        script.envs(envs).current_dir(command.get_current_dir().expect("a folder"));
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = script.spawn().expect("script runs");
        let (keys, mut screen) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let seen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4 << 10];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                shown.lock().expect("fine").push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { child, keys, seen, read_up_to: 0 }
    }

    /// Waits for words that were not there when the last ones came.
    pub(crate) async fn shows(&mut self, words: &str) {
        let begun = std::time::Instant::now();
        loop {
            let seen = self.text();
            if let Some(place) = seen[self.read_up_to..].find(words) {
                self.read_up_to += place + words.len();
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never said {words:?}: {seen}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Presses keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("typed");
    }

    /// Everything that was shown.
    pub(crate) fn text(&self) -> String {
        self.seen.lock().expect("fine").replace('\r', "")
    }

    /// Waits for the end; returns the exit code and everything that was shown.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let begun = std::time::Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None => assert!(begun.elapsed() < PATIENCE, "does not end: {}", self.text()),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // What was written last may still be on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        (status.code(), self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
