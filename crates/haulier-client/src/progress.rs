//! What a caller can watch while a transfer travels.

use std::path::PathBuf;
use std::time::Duration;

use haulier_wire::TransferId;

/// Hears of a transfer's progress. Called from many tasks at once; must return quickly.
pub trait Progress: Send + Sync {
    /// Takes note of one event.
    fn on(&self, event: Event);
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sizes are known and chunks begin to travel. Comes again when the transfer has to start anew.
    Started {
        /// The transfer.
        transfer_id: TransferId,
        /// Sealed bytes in all.
        sealed_bytes: u64,
        /// Sealed bytes that need not travel, since an earlier run brought them.
        present_bytes: u64,
        /// Chunks in all.
        total_chunks: u32,
        /// Files in all.
        files: u32,
    },
    /// Bytes that need no network were worked through before anything can travel.
    Prepared {
        /// By what.
        work: Work,
        /// How many more bytes.
        bytes: u64,
    },
    /// The sender is still uploading; asked again after a while.
    Waiting,
    /// A chunk entered the window.
    ChunkStarted,
    /// Bytes of chunks moved.
    Moved(u64),
    /// Bytes counted by [`Event::Moved`] have to travel again.
    TakenBack(u64),
    /// A chunk arrived and was checked.
    ChunkDone,
    /// Every chunk of one more file arrived.
    FileDone,
    /// A request failed and will be sent again.
    Retry {
        /// Why, without secrets.
        reason: String,
        /// How long until then.
        delay: Duration,
    },
    /// All chunks travelled; the rest is finishing.
    Finishing,
    /// Something that the person should know although it goes on.
    Notice(Notice),
}

/// Work on this machine that takes long enough to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A stream is kept on disk until its length is known.
    Spooling,
    /// What an earlier run brought is compared with what it noted.
    Checking,
}

/// Things that a person should know although the transfer goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Names were changed to such that every system can store.
    Renamed {
        /// The first of them, as it travels.
        name: String,
        /// How many more there are.
        others: usize,
    },
    /// What an earlier run began goes on.
    Resuming,
    /// An upload with a passphrase goes on, and nobody was asked for one: it is the one of the earlier run.
    ResumingLocked {
        /// The upload.
        transfer_id: TransferId,
    },
    /// The passphrase is not the one that the earlier upload began with, so a new transfer starts.
    OtherPassphrase,
    /// Links, pipes, sockets and devices stay behind, as asked.
    LeftOut {
        /// How many.
        count: usize,
    },
    /// Folders without files do not travel.
    EmptyFolders {
        /// How many.
        count: usize,
    },
    /// Another process is sending the same file; this is a transfer of its own.
    StateInUse,
    /// An earlier upload of this file could not go on, so a new transfer starts.
    StateUnusable,
    /// What an earlier get kept beside the target cannot be used, so it starts anew.
    KeptUnusable,
    /// It ends early, and what has arrived is kept for the next run of the same command.
    Kept {
        /// Where.
        path: PathBuf,
    },
    /// In the hidden folder of what has arrived, there was something that no get made: it stays.
    NotOurs {
        /// The folder in which it is now.
        path: PathBuf,
    },
    /// The sender's name begins with a dot, and nobody asked for that name here.
    DotName {
        /// The sender's.
        name: String,
        /// The one in its place.
        here: String,
    },
    /// The transfer is complete, but this machine could not note that it was sent from here.
    NotRecorded,
    /// The server has a transfer of the new one's id, so another one starts.
    IdTaken,
    /// The file changed since the earlier run, so a new transfer starts.
    InputChanged,
    /// Chunks of this size do not get through, so a new transfer with smaller ones starts.
    SmallerChunks {
        /// The new chunk_size in bytes.
        chunk_bytes: u64,
        /// Whether a proxy refuses them; otherwise connections break before one is through.
        proxy: bool,
    },
    /// The transfer names no sender's metadata: nothing but its bytes is authentic.
    NoMetadata,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn on(&self, _: Event) {}
}
