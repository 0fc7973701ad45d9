//! What the program is asked to do, beside serving: the operator's commands and their flags.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, Args, Subcommand};
use haulier_wire::TransferId;

use super::token::Token;
use super::{BlobLocation, Settings, unit};

/// Where the stores are, and what becomes of the log.
const STORES: &[&str] = &["data_dir", "database_url", "blob_url", "log", "log_format"];
const GC: &[&str] = &["data_dir", "database_url", "blob_url", "sweep_grace", "log", "log_format"];
const IMPORT: &[&str] = &["data_dir", "database_url", "blob_url", "max_expiry", "log", "log_format"];
const DATABASE: &[&str] = &["data_dir", "database_url", "log", "log_format"];
/// How the server on this machine is reached.
const SERVER: &[&str] = &["listen", "tls_cert", "tls_key", "log", "log_format"];

const OTHERS: &str =
    "The server's other settings are taken as well and not used: haulier-server serve --help lists all of them.";

/// Takes the settings that a command does not use out of its help. They are still read: one environment serves all commands.
fn without_all_but(used: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    let settings = Settings::augment_args(clap::Command::new("settings"));
    let unused: Vec<Arg> =
        settings.get_arguments().filter(|arg| !used.contains(&arg.get_id().as_str())).cloned().collect();
    unused.into_iter().map(|arg| arg.hide(true))
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve (this is what happens without a command)
    Serve,
    /// Bring the database's schema up to date, and say from which version to which
    ///
    /// The server does the same when it starts. With SQLite, stop a server of another version first.
    #[command(args = without_all_but(DATABASE), after_help = OTHERS)]
    Migrate,
    /// Ask the server on this machine whether it is ready: exit 0 if it is
    ///
    /// Sends GET /readyz to the address of HAULIER_LISTEN (0.0.0.0 is asked at 127.0.0.1), over TLS if that is on,
    /// and waits at most 5 s. For a container's HEALTHCHECK.
    #[command(args = without_all_but(SERVER), after_help = OTHERS)]
    Healthcheck,
    /// Add up what is stored
    ///
    /// What the database knows; with --blobs also what really lies in the blob store. Runs beside a server.
    #[command(args = without_all_but(STORES), after_help = OTHERS)]
    Stats(Stats),
    /// Look at one transfer, or delete it
    #[command(subcommand, args = without_all_but(STORES), after_help = OTHERS)]
    Transfer(Transfer),
    /// Who may create transfers: make, list and revoke access tokens
    #[command(subcommand, args = without_all_but(DATABASE), after_help = OTHERS)]
    Token(Token),
    /// Compare the database with the blob store, and repair what may be repaired
    ///
    /// Runs beside a server. Changes nothing without --repair.
    ///
    /// --repair removes blobs of transfers that were swept and of uploads that the database does not know, removes blobs
    /// beyond a transfer's last chunk, writes meta.json again, and takes back a damaged chunk of an unfinished upload, so
    /// that its sender sends it again. It never deletes a completed transfer, never touches a transfer that rebuild could
    /// bring back, and never touches a name that is not Haulier's.
    ///
    /// Exit status: 0 nothing is damaged, or all of it is repaired; 1 damage is left, or a store cannot be asked.
    #[command(args = without_all_but(STORES), after_help = OTHERS)]
    Doctor(Doctor),
    /// Remove the bytes of what has ended now, and do not wait for the next sweep
    ///
    /// What was deleted, has expired, was abandoned, or has all its downloads spent and none under way; what has ended is
    /// kept for HAULIER_SWEEP_GRACE first. Runs beside servers, which do the same from time to time; can be stopped and
    /// run again.
    #[command(args = without_all_but(GC), after_help = OTHERS)]
    Gc(Gc),
    /// Make the rows of completed transfers again, from the blob store alone
    ///
    /// For when the database is lost. Makes the database if there is none, reads every chunk once, and inserts what is
    /// not there yet; what is there is never touched. Can be stopped and run again, and runs beside a server.
    ///
    /// Comes back: every transfer that was completed, with its tokens, its end and its counter as of the last change.
    /// Does not come back: uploads that were not finished, and the memory of what was deleted.
    ///
    /// Exit status: 0 everything came back; 1 some could not be restored, or a store cannot be asked.
    #[command(args = without_all_but(STORES), after_help = OTHERS)]
    Rebuild(Rebuild),
    /// Take over the transfers of an SGraph Send server, from its folder or bucket
    ///
    /// SOURCE is a folder, or s3://BUCKET/PREFIX with the options of HAULIER_BLOB_URL; both of that server's layouts are
    /// found at any depth: transfers/ID and transfers/ID[0..2]/ID. Nothing of it is changed.
    ///
    /// Taken are completed transfers that can still be downloaded, with their ids, times, counters, limits and delete
    /// tokens. What has no end there ends after HAULIER_MAX_EXPIRY. What is here already is passed over, so it can be
    /// stopped and run again, and runs beside a server.
    ///
    /// Exit status: 0 all of it is here; 1 some could not be taken, or a store cannot be asked.
    #[command(args = without_all_but(IMPORT), after_help = OTHERS)]
    Import(Import),
}

/// What to add up.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Also look at every blob and add up what really lies there
    #[arg(long)]
    pub blobs: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// An id as it was given. What is none is never repeated: it may be a whole link, with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenId(Option<TransferId>);

impl GivenId {
    /// The id.
    ///
    /// # Errors
    /// When it is none.
    pub fn get(self) -> anyhow::Result<TransferId> {
        self.0.context(
            "ID: expected the 32 digits behind the # of a link (12 in the older system), and nothing of what follows",
        )
    }
}

impl FromStr for GivenId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse().ok()))
    }
}

/// What to do with one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Transfer {
    /// Show what the server knows: never a name, a key or a token
    ///
    /// Runs beside a server.
    Show {
        /// The 32 digits behind the # of a link, without what follows them
        id: GivenId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete a transfer and its bytes, at once and for good
    ///
    /// As its owner could, without a token; nobody is asked again. Runs beside a server, which answers 410 from then on.
    /// A download that is under way may end early.
    Delete {
        /// The 32 digits behind the # of a link, without what follows them
        id: GivenId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Transfer {
    /// Which one.
    ///
    /// # Errors
    /// When what was given is no id.
    pub fn id(self) -> anyhow::Result<TransferId> {
        match self {
            Self::Show { id, .. } | Self::Delete { id, .. } => id.get(),
        }
    }
}

/// How to look.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// Read every chunk and compare its BLAKE3: takes as long as reading the whole store
    #[arg(long)]
    pub verify: bool,
    /// Repair what may be repaired
    #[arg(long)]
    pub repair: bool,
    /// Leave alone blobs without a row that were written later than so long ago
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub older_than: Duration,
    /// One JSON object for each damage, and one at the end
    #[arg(long)]
    pub json: bool,
}

/// What to do with what has ended.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Only list what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object for each transfer that would be removed, and one at the end
    #[arg(long)]
    pub json: bool,
}

/// How to tell of it.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// One JSON object for each transfer that cannot be restored, and one at the end
    #[arg(long)]
    pub json: bool,
}

/// What to take over.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// A folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME
    #[arg(value_name = "SOURCE", value_parser = source)]
    pub source: BlobLocation,
    /// Only look, and say what would be taken
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object for each transfer of which there is something to say, and one at the end
    #[arg(long)]
    pub json: bool,
}

/// A URL may hold a secret by mistake: an error never repeats it.
fn source(text: &str) -> Result<BlobLocation, String> {
    if !text.starts_with("s3://") {
        return Ok(BlobLocation::Folder(text.into()));
    }
    BlobLocation::parse(text).map_err(|error| format!("{error:#}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    unit::duration("--older-than", text).map_err(|error| format!("{error:#}"))
}
