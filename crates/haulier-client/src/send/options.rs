//! What is asked of a send.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haulier_format::KeyMode;
use zeroize::Zeroizing;

use super::Stream;
use crate::http::{RetryPolicy, Server};
use crate::secret::PassphraseSource;
use crate::window::WINDOW_BYTES;

/// What to send.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files, and folders with all that is in them.
    Paths {
        /// Them.
        paths: Vec<PathBuf>,
        /// Whether they travel as one tar archive, which also keeps links, permissions and empty folders.
        tar: bool,
        /// Whether links, pipes, sockets and devices are left out instead of refused.
        leave_out: bool,
    },
    /// A stream of unknown length. Kept on disk, below the state folder, until its end; it cannot go on later.
    Stream(Stream),
}

/// Hears a link before its transfer is complete.
#[derive(Clone)]
pub struct OnLink(pub(super) Arc<dyn Fn(&str) + Send + Sync>);

impl OnLink {
    /// Wraps a function, which must return quickly.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl std::fmt::Debug for OnLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnLink(..)")
    }
}

/// What to send, where, and how.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// The server.
    pub server: Server,
    /// What the server may ask for before it lets someone create transfers.
    pub access_token: Option<Arc<Zeroizing<String>>>,
    /// What to send.
    pub source: Source,
    /// The name that the receiver sees; the file's or folder's own when absent.
    pub name: Option<String>,
    /// A message for the receiver, sealed like the file.
    pub message: Option<String>,
    /// How long the transfer lives once it is complete; the server's default when absent. Whole seconds count.
    pub lifetime: Option<Duration>,
    /// How often it can be downloaded; no limit when absent.
    pub max_downloads: Option<u64>,
    /// The key mode.
    pub mode: KeyMode,
    /// Needed in the modes that have a passphrase.
    pub passphrase: Option<PassphraseSource>,
    /// chunk_size in bytes; by the file's size when absent.
    pub chunk_size: Option<u64>,
    /// Chunks under way at once, at least 1.
    pub parallel: usize,
    /// Bytes of chunks in memory at most.
    pub window_bytes: u64,
    /// Hears the link once the transfer has begun: it works when the transfer is complete. Called again, with another
    /// link, if the transfer has to start anew.
    pub on_link: Option<OnLink>,
    /// The folder of the local state; made where it is missing, mode 0700.
    pub state_dir: PathBuf,
    /// When requests are sent again.
    pub retry: RetryPolicy,
}

impl SendOptions {
    /// The usual choices: mode link, 8 chunks at once, 128 MiB.
    #[must_use]
    pub fn new(server: Server, source: Source, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            server,
            access_token: None,
            source,
            name: None,
            message: None,
            lifetime: None,
            max_downloads: None,
            mode: KeyMode::Link,
            passphrase: None,
            chunk_size: None,
            parallel: 8,
            window_bytes: WINDOW_BYTES,
            on_link: None,
            state_dir: state_dir.into(),
            retry: RetryPolicy::default(),
        }
    }
}
