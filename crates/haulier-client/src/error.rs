//! What can go wrong, in the words of the person who sends or receives. Never carries a key, a token or a passphrase.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use haulier_format::KeyMode;

use crate::unit::bytes;

mod limit;

pub use limit::LimitError;

/// Why a send or a get ended without its result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The server's address, or the link's, cannot be used.
    #[error("the server's address cannot be used: {0}")]
    Address(#[from] AddressError),
    /// The link cannot be read.
    #[error("the link cannot be read: {0}")]
    Link(String),
    /// The link says that there is a passphrase and the server says that there is none, or the other way round.
    #[error("{}", mismatch(*mode))]
    ModeMismatch {
        /// What the link says.
        mode: KeyMode,
    },
    /// The passphrase has a form that no sender could have used.
    #[error("the passphrase cannot be used: {0}")]
    Passphrase(String),
    /// The person was asked for a passphrase, and ended the question without one.
    #[error("cancelled: no passphrase was typed")]
    Cancelled,
    /// The key from the link, or the passphrase, is not this transfer's.
    #[error("{}", if *has_passphrase { "the passphrase, or the link's key, is wrong" } else { "the key in the link is wrong" })]
    WrongKey {
        /// Whether the link asks for one.
        has_passphrase: bool,
    },
    /// No such transfer.
    #[error("there is no such transfer on this server")]
    NotFound,
    /// The owner deleted it.
    #[error("the transfer was deleted")]
    Deleted,
    /// Its time is over.
    #[error("the transfer has expired")]
    Expired,
    /// Every download that the sender allowed is spent.
    #[error("every download that the sender allowed is spent")]
    Exhausted,
    /// Every download that is left is under way.
    #[error("others are getting it, and the sender allowed no more downloads than that")]
    PlacesTaken,
    /// What was read again and again is twice the transfer, and other places were used up the same way.
    #[error("the connection broke off so often that this download is used up")]
    LeaseUsedUp,
    /// The transfer is not complete yet.
    #[error("Sender is still uploading")]
    Pending,
    /// The server asks for an access token, or refuses the one given.
    #[error("{}", if *given { "the server refused the access token" } else { "the server asks for an access token" })]
    AccessToken {
        /// Whether one was given.
        given: bool,
    },
    /// The access token was good once.
    #[error("the access token {why}")]
    AccessTokenEnded {
        /// What became of it.
        why: &'static str,
    },
    /// A server that answered that it cannot now, for as long as we waited.
    #[error("{server} cannot do it now: {reason}")]
    Busy {
        /// Host and port.
        server: String,
        /// Its last answer.
        reason: String,
    },
    /// No usable answer, also after all retries.
    #[error("no answer from {server}: {reason}")]
    Unavailable {
        /// Host and port.
        server: String,
        /// The last reason.
        reason: String,
    },
    /// What answers is no Haulier server: something else lives there, or stands in between.
    #[error("{server} does not answer as a Haulier server: {what}")]
    NotHaulier {
        /// Host and port.
        server: String,
        /// What came instead.
        what: String,
    },
    /// An answer that no honest server of this version gives.
    #[error("the server broke the protocol: {what}")]
    Protocol {
        /// What is wrong with it.
        what: String,
    },
    /// A final answer that the protocol does not foresee here.
    #[error("the server refused: {what}")]
    Refused {
        /// Status and title.
        what: String,
    },
    /// The answer points elsewhere. Tokens never follow.
    #[error(
        "the server redirects elsewhere (status {status}); redirects are not followed, since tokens must not leave"
    )]
    Redirected {
        /// HTTP status.
        status: u16,
    },
    /// A proxy caps request bodies below the smallest chunks that make sense.
    #[error("a proxy before the server refuses request bodies of {sealed_bytes} bytes")]
    ProxyLimit {
        /// Bytes of the refused chunk.
        sealed_bytes: u64,
    },
    /// The server's limits exclude the file.
    #[error("{0}")]
    Limit(#[from] LimitError),
    /// What the server sent is not what the sender sealed, or it lost what it had acknowledged.
    #[error("{0}")]
    Integrity(#[from] IntegrityError),
    /// Other bytes are stored under one of our chunks.
    #[error("the server holds other bytes for chunk {index}: another process wrote to this transfer")]
    ChunkConflict {
        /// The chunk.
        index: u32,
    },
    /// What is to be sent cannot be used.
    #[error("{}: {what}{}", path.display(), and_others(*others))]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: InputProblem,
        /// How many more have something wrong with them.
        others: usize,
    },
    /// The target exists and must not be replaced.
    #[error("{} exists already", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// Another process writes to the target's part.
    #[error("another process is getting this here")]
    TargetInUse {
        /// The log that it holds.
        path: PathBuf,
    },
    /// The transfer holds no such file or folder.
    #[error("the transfer holds no file or folder {path:?}")]
    NoSuchPath {
        /// As asked for.
        path: String,
    },
    /// Only one file can be written to a stream.
    #[error("the transfer holds {count} files, and a stream holds one")]
    SeveralFiles {
        /// How many files were asked for.
        count: usize,
    },
    /// The stream that the plaintext goes to takes no more.
    #[error("cannot write to the output: {source}")]
    Output {
        /// Why.
        source: Arc<io::Error>,
    },
    /// The target cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    TargetUnwritable {
        /// The target or a file beside it.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The disk has less room than the transfer needs.
    #[error("the transfer needs {}, and {} has room for {}", bytes(*needed_bytes), path.display(), bytes(*free_bytes))]
    NoRoom {
        /// The folder that was asked.
        path: PathBuf,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes free.
        free_bytes: u64,
    },
    /// The local state of an upload cannot be kept, so nothing may be sent.
    #[error("cannot keep the upload's state in {}: {source}", path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// A fault of this program.
    #[error("internal fault: {0}")]
    Internal(&'static str),
}

/// Why an address cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL.
    #[error("it is not a URL such as https://send.example.org")]
    NotAUrl,
    /// Neither http nor https.
    #[error("it must start with https:// (or http:// on this machine)")]
    Scheme,
    /// User, password, query or fragment.
    #[error("it must not hold a user name, a password, a ? or a #")]
    Surplus,
    /// Plain http to another machine.
    #[error("plain http to another machine lets others read and change what you load from it")]
    PlainHttp,
}

/// How the server's answer differs from what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// The answer speaks of another transfer.
    #[error("the server answered about another transfer")]
    OtherTransfer,
    /// The manifest is no transfer's, or contradicts the sealed metadata.
    #[error("what the server says of the transfer is not what the sender sealed: {0}")]
    Manifest(String),
    /// A chunk did not open.
    #[error("chunk {index} from the server is not what the sender sealed")]
    Chunk {
        /// The chunk.
        index: u32,
    },
    /// The server received other bytes than were sent, twice.
    #[error("chunk {index} arrived damaged at the server, twice")]
    Arrival {
        /// The chunk.
        index: u32,
    },
    /// The server keeps losing chunks that it acknowledged.
    #[error("the server lost chunks that it had acknowledged")]
    LostChunks,
}

/// What is wrong with something that is to be sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InputProblem {
    /// It cannot be opened or read.
    #[error("{0}")]
    Unreadable(Arc<io::Error>),
    /// It could be read when it was looked at, and cannot be now.
    #[error("cannot be read any more: {0}")]
    ReadFailed(Arc<io::Error>),
    /// It is neither a file nor a folder.
    #[error("is not a regular file")]
    NotAFile,
    /// It has something in it, and says that it is empty.
    #[error("has no size although there is something in it, as under /proc")]
    Sizeless,
    /// It is a link inside of a folder.
    #[error("is a symbolic link, which could lead anywhere")]
    Link,
    /// There is no file in it.
    #[error("holds no file")]
    Empty,
    /// It holds too many files.
    #[error("holds more than {max} {}", if *tar { "entries" } else { "files" })]
    TooMany {
        /// How many there may be.
        max: usize,
        /// Whether they would travel as an archive.
        tar: bool,
    },
    /// The list of names does not fit into a transfer.
    #[error("holds files whose names together are too long for one transfer")]
    NamesTooLong,
    /// Two names cannot stand beside each other.
    #[error("holds a file and a folder of the same name, at least where capitals do not count")]
    NamesCollide,
    /// It was changed while it was sent.
    #[error("changed while it was being sent")]
    Changed,
    /// Its name, or a name given for it, cannot travel.
    #[error("cannot be named like this: {0}")]
    Name(String),
}

impl InputProblem {
    /// Wraps a failure to read.
    pub(crate) fn unreadable(source: io::Error) -> Self {
        Self::Unreadable(Arc::new(source))
    }
}

fn mismatch(mode: KeyMode) -> &'static str {
    match mode {
        KeyMode::Link => "the server says that this transfer needs a passphrase, and the link does not",
        KeyMode::LinkPassphrase => "the link asks for a passphrase, and the server says that this transfer has none",
        KeyMode::Passphrase => "the link has no key, and the server says that this transfer has no passphrase either",
    }
}

fn and_others(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

impl Error {
    /// Wraps a failure to read the input in the middle of a transfer.
    pub(crate) fn read_failed(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Input { path: path.into(), what: InputProblem::ReadFailed(Arc::new(source)), others: 0 }
    }

    /// Wraps a failure to read the input.
    pub(crate) fn unreadable(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Input { path: path.into(), what: InputProblem::unreadable(source), others: 0 }
    }

    /// Wraps a failure to write the target.
    pub(crate) fn unwritable(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::TargetUnwritable { path: path.into(), source: Arc::new(source) }
    }

    /// Wraps a failure to write to a stream.
    pub(crate) fn output(source: io::Error) -> Self {
        Self::Output { source: Arc::new(source) }
    }

    /// Whether what has arrived of a transfer can be of no use any more: it is gone, or was never the one that was meant.
    /// A chunk that does not open says nothing against those that did.
    pub(crate) fn is_for_good(&self) -> bool {
        let gone = matches!(self, Self::NotFound | Self::Deleted | Self::Expired | Self::Exhausted);
        gone || matches!(self, Self::Integrity(IntegrityError::OtherTransfer | IntegrityError::Manifest(_)))
    }

    /// Wraps a failure of the local state.
    pub(crate) fn state(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::State { path: path.into(), source: Arc::new(source) }
    }
}
