//! What can be asked for on the command line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

mod machine;
mod owner;
pub(crate) mod reference;

pub(crate) use machine::{CompletionsArgs, DoctorArgs, ManArgs};
pub(crate) use owner::{EditArgs, InfoArgs, ListArgs, RmArgs};

/// The largest number that every JSON reader keeps exactly.
const MAX_DOWNLOADS: u64 = (1 << 53) - 1;

const START: &str = "\
Begin here:
  haulier doctor --to https://HOST         Is the server there, and will it do?
  haulier send --to https://HOST FILE      Prints the link to hand on.
  haulier get 'LINK'                       Gets what the link stands for.

The server can be kept in ~/.config/haulier/config.toml: server = \"https://HOST\"";

const SEND_EXAMPLES: &str = "\
Examples:
  haulier send video.mp4
  haulier send --expires 2d --message 'The final cut' video.mp4
  haulier send --passphrase contract.pdf
  haulier send photos/ notes.txt --name trip
  pg_dump shop | haulier send - --name shop.sql

The same command again goes on where an interrupted one stopped.";

const GET_EXAMPLES: &str = "\
Examples:
  haulier get 'https://HOST/#ID/KEY'
  haulier get 'https://HOST/#ID/KEY' -o /mnt/large/
  haulier get - < link.txt
  haulier get 'https://HOST/#ID/KEY' --only photos/7.jpg

The same command again goes on where an interrupted one stopped.
The quotes keep the shell from reading the # as a comment.";

const LIST_EXAMPLES: &str = "\
Examples:
  haulier list
  haulier list --json

Shows what this machine keeps; no server is asked.";

const RM_EXAMPLES: &str = "\
Examples:
  haulier rm 3f2a91c0
  haulier rm 'https://HOST/#ID/KEY' 77b0a1
  haulier rm --forget 3f2a91c0             Its server is gone for good.
  haulier list --json | jq -r '.transfers[].transfer_id' | xargs haulier rm";

const EDIT_EXAMPLES: &str = "\
Examples:
  haulier edit 3f2a91c0 --expires 14d
  haulier edit 3f2a91c0 --expires 1h";

const INFO_EXAMPLES: &str = "\
Examples:
  haulier info 'https://HOST/#ID/KEY'
  haulier info 3f2a91c0
  haulier info - < link.txt

What is sealed with a passphrase is shown by haulier get LINK --list.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  haulier doctor
  haulier doctor --to https://HOST
  haulier doctor --no-round-trip --json

Ends with 0 if nothing failed, warnings or not, and with 6 otherwise.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  haulier completions bash > ~/.local/share/bash-completion/completions/haulier
  haulier completions zsh > \"${fpath[1]}/_haulier\"
  haulier completions fish > ~/.config/fish/completions/haulier.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  haulier man | man -l -
  haulier man ~/.local/share/man/man1";

/// Send files of any size; only whoever has the link can open them.
#[derive(Debug, Parser)]
#[command(name = "haulier", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = START, after_long_help = with_codes(START))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send files and folders, and print their link.
    #[command(after_help = SEND_EXAMPLES, after_long_help = with_codes(SEND_EXAMPLES))]
    Send(SendArgs),
    /// Get what a link stands for.
    #[command(after_help = GET_EXAMPLES, after_long_help = with_codes(GET_EXAMPLES))]
    Get(GetArgs),
    /// Show what a link stands for, without getting it.
    #[command(after_help = INFO_EXAMPLES)]
    Info(InfoArgs),
    /// List what this machine sent, and uploads that are not finished.
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Delete transfers that this machine sent, or give up uploads.
    #[command(after_help = RM_EXAMPLES)]
    Rm(RmArgs),
    /// Change how long a transfer lives.
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(EditArgs),
    /// Check the configuration, the network and the server, and try a transfer.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Print a script that completes haulier's commands in a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a folder.
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

impl Command {
    /// Whether a script reads the answer.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Send(args) => args.common.json,
            Self::Get(args) => args.common.json,
            Self::Info(args) => args.json,
            Self::List(args) => args.json,
            Self::Rm(args) => args.json,
            Self::Edit(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

fn with_codes(examples: &str) -> String {
    format!("{examples}\n\n{}", reference::exit_codes())
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The files and folders to send; or - for standard input, which is kept on disk until its end.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Address of the server, such as https://send.example.org [default: HAULIER_SERVER, else from the configuration file, else
    /// http://127.0.0.1:8080].
    // Not clap's `env`: it would show the option as a required one.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// How long the transfer lives once it is complete, such as 30m, 12h, 7d [default: the server's].
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    pub(crate) expires: Option<Duration>,
    /// How often it can be downloaded, where the server counts that [default: no limit].
    #[arg(long, value_name = "N", value_parser = parse_downloads)]
    pub(crate) downloads: Option<u64>,
    /// Send everything as one tar archive: keeps links, permissions and empty folders, and any number of files.
    #[arg(long)]
    pub(crate) tar: bool,
    /// Leave out links, pipes, sockets and devices inside of folders, instead of refusing.
    #[arg(long)]
    pub(crate) leave_out: bool,
    /// Ask for a passphrase that is needed beside the link.
    #[arg(long, conflicts_with = "passphrase_only")]
    pub(crate) passphrase: bool,
    /// Ask for a passphrase in place of the link's key: the link alone is then no secret. Whoever has the stored bytes
    /// can try passphrases, so let haulier make one.
    #[arg(long)]
    pub(crate) passphrase_only: bool,
    #[command(flatten)]
    pub(crate) secret: PassphraseArgs,
    /// The name that the receiver sees [default: the file's or folder's].
    #[arg(long, value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// A message for the receiver, sealed like the files.
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Size of one chunk, such as 960KiB or 8MiB; 64KiB to 64MiB [default: by the file's size].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) chunk_size: Option<u64>,
    /// Send one file for the web client of the legacy system, to its servers or to Haulier's: one blob, one link that its
    /// page opens. An upload that breaks off begins anew; its page holds the whole file in memory.
    #[arg(long, conflicts_with_all = ["passphrase", "passphrase_only", "passphrase_file", "message", "chunk_size", "link_first"])]
    pub(crate) legacy: bool,
    /// Print the link as soon as the upload begins; whoever has it can wait with haulier get --wait.
    #[arg(long)]
    pub(crate) link_first: bool,
    /// Also show the link as a QR code.
    #[arg(long)]
    pub(crate) qr: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The link, in quotes; or - to read it from standard input, since other users can see a program's arguments.
    pub(crate) link: String,
    /// Where to write. A folder that exists: into it, under the sender's name. Else the new file's name, or the new
    /// folder's if there are several files. - writes one file to standard output, in order and as it is verified
    /// [default: the sender's name, in this folder].
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Get this file or folder of the transfer alone: its path exactly as --list shows it. Can be given again.
    #[arg(long, value_name = "PATH")]
    pub(crate) only: Vec<String>,
    /// Show what the transfer holds, and get nothing.
    #[arg(long, conflicts_with_all = ["output", "only", "force"])]
    pub(crate) list: bool,
    /// Wait while the sender is still uploading.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Replace a file that exists.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) secret: PassphraseArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl SendArgs {
    /// Whether standard input is sent.
    pub(crate) fn is_stream(&self) -> bool {
        self.paths.iter().any(|path| path.as_os_str() == "-")
    }
}

impl GetArgs {
    /// Whether the file goes to standard output.
    pub(crate) fn is_stream(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }
}

#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from the first line of a file, or of standard input (-). Without it: HAULIER_PASSPHRASE, else
    /// it is asked for.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Chunks under way at the same time; memory stays under 128 MiB of them in any case.
    #[arg(long, value_name = "N", default_value = "8", value_parser = parse_parallel)]
    pub(crate) parallel: NonZeroUsize,
    /// Use plain http also to another machine.
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Reads how many chunks are under way at once.
fn parse_parallel(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected how many chunks may be under way at once, at least 1".to_owned())
}

/// Reads how often a transfer can be downloaded.
fn parse_downloads(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_DOWNLOADS).contains(number));
    number.ok_or_else(|| "expected a number, at least 1; without --downloads there is no limit".to_owned())
}

/// Reads a name for the receiver.
fn parse_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a name has at least one character".into()) } else { Ok(text.to_owned()) }
}

/// Reads a lifetime: digits and one of s, m, h, d, w.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and s, m, h, d or w, such as 12h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads a size: digits and nothing, KiB or MiB.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "expected bytes, or a number and KiB or MiB, such as 960KiB".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit_bytes: u64 = match unit.trim() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(unit_bytes).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
