//! What is asked of a get, and what it answers.

use std::path::PathBuf;

use haulier_format::{Link, LinkMode, LinkTarget, friendly_id, friendly_key};
use haulier_wire::TransferId;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::http::RetryPolicy;
use crate::secret::PassphraseSource;
use crate::window::WINDOW_BYTES;

/// What to receive, and where to.
#[derive(Clone)]
pub struct ReceiveOptions {
    /// The link: a secret, unless it is a passphrase's. White space, quotes and `<>` around it are taken off.
    pub link: Zeroizing<String>,
    /// The target; a folder if one exists under this name. The sender's name in the current folder when absent.
    pub output: Option<PathBuf>,
    /// Paths of files or folders in the transfer: only the chunks that cover these travel. All of it when empty.
    pub only: Vec<String>,
    /// Whether a file that exists may be replaced. Folders never are.
    pub force: bool,
    /// Whether to wait while the sender is still uploading.
    pub wait: bool,
    /// Needed for links whose mode has a passphrase; asked for only once the server says that the transfer has one.
    pub passphrase: Option<PassphraseSource>,
    /// Chunks under way at once, at least 1.
    pub parallel: usize,
    /// Bytes of chunks in memory at most.
    pub window_bytes: u64,
    /// The folder of the local state, whose key marks what an earlier run of this user has brought. Without it, or where
    /// it cannot be written, a get that ended early starts anew.
    pub state_dir: Option<PathBuf>,
    /// Whether plain http to another machine is fine.
    pub allow_http: bool,
    /// When requests are sent again.
    pub retry: RetryPolicy,
}

impl ReceiveOptions {
    /// The usual choices: all of it, under the sender's name in the current folder, 8 chunks at once, 128 MiB.
    #[must_use]
    pub fn new(link: impl Into<String>) -> Self {
        Self {
            link: Zeroizing::new(link.into()),
            output: None,
            only: Vec::new(),
            force: false,
            wait: false,
            passphrase: None,
            parallel: 8,
            window_bytes: WINDOW_BYTES,
            state_dir: None,
            allow_http: false,
            retry: RetryPolicy::default(),
        }
    }
}

impl std::fmt::Debug for ReceiveOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveOptions").field("output", &self.output).finish_non_exhaustive()
    }
}

/// What arrived, whole and authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The transfer.
    pub transfer_id: TransferId,
    /// The file, or the folder of files; none for a stream.
    pub path: Option<PathBuf>,
    /// Bytes of plaintext that were asked for.
    pub file_size: u64,
    /// How many files these are.
    pub files: usize,
    /// The sender's message. Escape it before it is shown: it is the sender's text, whoever that is.
    pub message: Option<String>,
    /// Whether an earlier run had brought a part of it.
    pub resumed: bool,
}

/// Reads a link as people paste it: with white space, quotes or `<>` around it. A friendly token of the legacy system
/// becomes the id and the key that it stands for, which takes some tenths of a second: not for an async thread.
///
/// # Errors
/// [`Error::Link`] says what is wrong with it, without its text.
pub fn parse_link(text: &str) -> Result<Link, Error> {
    let text = text.trim();
    let within = |open, close| text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    let bare = within('<', '>').or_else(|| within('"', '"')).or_else(|| within('\'', '\'')).unwrap_or(text);
    let refused = |error: haulier_format::Error| Error::Link(error.to_string());
    match LinkTarget::parse(bare.trim()).map_err(refused)? {
        LinkTarget::Transfer(link) => Ok(link),
        LinkTarget::IdOnly { .. } => Err(refused(haulier_format::Error::LinkKeyMissing)),
        LinkTarget::FriendlyToken { base, token } => {
            Ok(Link { base, id: friendly_id(&token), mode: LinkMode::Link(friendly_key(&token)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_they_are_pasted() {
        let link = format!("https://send.example.org/#{}/{}", "0a".repeat(16), "A".repeat(43));
        for text in
            [link.clone(), format!(" {link}\r\n"), format!("<{link}>"), format!(" '{link}'"), format!("\"{link}\"")]
        {
            assert_eq!(parse_link(&text).unwrap().format(), link, "{text:?}");
        }
        for text in [format!("<{link}"), format!("{link}>"), format!("see {link}"), String::new(), "<>".into()] {
            assert!(matches!(parse_link(&text), Err(Error::Link(_))), "{text:?}");
        }
    }
}
