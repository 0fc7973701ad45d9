//! What an error means to whoever typed the command: an exit code, what happened, and what to do next.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use haulier_client::Error;
use haulier_client::error::{InputProblem, IntegrityError, LimitError};
use serde::Serialize;

use crate::{screen, text};

/// Every way to end, as a number for scripts. Listed in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Other = 1,
    Usage = 2,
    WrongKey = 3,
    Gone = 4,
    Pending = 5,
    Unavailable = 6,
    Integrity = 7,
    Target = 8,
    Input = 9,
    Interrupted = 130,
}

impl Exit {
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::WrongKey => "wrong-key",
            Self::Gone => "gone",
            Self::Pending => "pending",
            Self::Unavailable => "unavailable",
            Self::Integrity => "integrity",
            Self::Target => "target",
            Self::Input => "input",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why the program ends without its result: one line on what happened, one on what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
    advice: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    error: Members<'a>,
}

#[derive(Serialize)]
struct Members<'a> {
    code: &'static str,
    exit_code: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'a str>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { exit, message: message.into(), advice: Some(advice.into()) }
    }

    /// Ends the program with its number and without a word: nobody is left to read one.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, message: String::new(), advice: None }
    }

    /// The person asked the program to stop.
    pub(crate) fn interrupted(advice: impl Into<Option<&'static str>>) -> Self {
        let advice = advice.into().map(str::to_owned);
        Self { exit: Exit::Interrupted, message: "interrupted".into(), advice }
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// Tells it on standard error, or as the last line of standard output for scripts.
    pub(crate) fn tell(&self, json: bool) {
        if self.message.is_empty() {
            return;
        }
        if json {
            let error = Members {
                code: self.exit.code(),
                exit_code: self.exit.number(),
                message: &self.message,
                advice: self.advice.as_deref(),
            };
            if !screen::out_is_closed()
                && screen::out(serde_json::to_string(&Document { error }).unwrap_or_default()).is_ok()
            {
                return;
            }
            // Nobody takes it there; the exit code says the rest.
        }
        // Paths of one's own can come from an archive, and texts from a server.
        screen::note(format_args!("haulier: {}", text::lines(&self.message)));
        if let Some(advice) = &self.advice {
            screen::note(text::lines(advice));
        }
    }
}

/// Shows help where it was asked for, or tells what is wrong with the command line: as a document, if the rest of it asks
/// for JSON.
pub(crate) fn of_command_line(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Other.number()) };
    }
    let text = without_keys(&error.render().to_string());
    if arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json") {
        parted(&text).tell(true);
    } else {
        screen::note(text.trim_end());
    }
    ExitCode::from(Exit::Usage.number())
}

/// What stands behind a `#` may be a link's key: neither a log nor a screen needs it.
fn without_keys(text: &str) -> String {
    let cut = |word: &str| {
        let Some((before, behind)) = word.split_once('#') else { return word.to_owned() };
        let end = behind.find(|c: char| c == '\'' || c.is_whitespace()).unwrap_or(behind.len());
        format!("{before}#…{}", &behind[end..])
    };
    text.split_inclusive(char::is_whitespace).map(cut).collect()
}

/// The first paragraph is what is wrong; tips and usage are what to do.
fn parted(text: &str) -> Failure {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let sentences = rest.split("\n\n").map(one_line).filter(|sentence| !sentence.is_empty());
    let advice = sentences.map(|sentence| format!("{}.", sentence.trim_end_matches('.'))).collect::<Vec<_>>().join(" ");
    let message = one_line(what.strip_prefix("error: ").unwrap_or(what));
    Failure { exit: Exit::Usage, message, advice: Some(advice).filter(|advice| !advice.is_empty()) }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (exit, advice) = judge(&error);
        Self { exit, message: error.to_string(), advice: advice.map(str::to_owned) }
    }
}

fn judge(error: &Error) -> (Exit, Option<&'static str>) {
    let (exit, advice) = match error {
        Error::Address(_) => (Exit::Usage, "Give the server as https://HOST; --allow-http permits plain http."),
        Error::Link(_) => {
            (Exit::WrongKey, "Copy the whole link, in quotes: it ends with the key after the last slash.")
        }
        Error::ModeMismatch { .. } => {
            (Exit::WrongKey, "Part of the link may be missing; ask the sender for the whole link.")
        }
        Error::Passphrase(_) => {
            (Exit::WrongKey, "Run it in a terminal, set HAULIER_PASSPHRASE, or use --passphrase-file.")
        }
        Error::Cancelled => (
            Exit::Interrupted,
            "Nothing was sent or written. Without a terminal: --passphrase-file or HAULIER_PASSPHRASE.",
        ),
        Error::WrongKey { has_passphrase: true } => {
            (Exit::WrongKey, "Check the passphrase, and that the link is whole; then try again.")
        }
        Error::WrongKey { has_passphrase: false } => {
            (Exit::WrongKey, "Copy the whole link again: its last part, after the last slash, is the key.")
        }
        Error::AccessToken { .. } => {
            (Exit::WrongKey, "Set HAULIER_ACCESS_TOKEN to the token that the server's owner gave you.")
        }
        Error::AccessTokenEnded { .. } => (Exit::WrongKey, "Ask the server's owner for another access token."),
        Error::NotFound => (Exit::Gone, "Check the link and its host; a transfer that ended may also be forgotten."),
        Error::Deleted | Error::Expired | Error::Exhausted => (Exit::Gone, "Ask the sender to send it again."),
        Error::PlacesTaken => {
            (Exit::Unavailable, "Try again later: whoever gives up leaves a place. Or ask the sender to allow more.")
        }
        Error::LeaseUsedUp => {
            (Exit::Unavailable, "Run it again, on a better network: it goes on as another download, if one is left.")
        }
        Error::Pending => (Exit::Pending, "Try again when the sender has finished, or add --wait."),
        Error::Busy { .. } => (Exit::Unavailable, "Run the same command again later; what has travelled is kept."),
        Error::Unavailable { .. } => (
            Exit::Unavailable,
            "Check the address and the network, then run the same command again. haulier doctor finds out more.",
        ),
        Error::NotHaulier { .. } => (
            Exit::Unavailable,
            "Check the address. A page to sign in to the network, or a proxy, may stand in between.",
        ),
        Error::Protocol { .. } => (
            Exit::Integrity,
            "The server is damaged, does not tell the truth, or is newer than this program: see if there is an update.",
        ),
        Error::Redirected { .. } => (Exit::Unavailable, "Use the address that the server redirects to."),
        Error::ProxyLimit { .. } => {
            (Exit::Unavailable, "The server's owner must allow larger request bodies, at least 1 MiB.")
        }
        Error::Refused { .. } | Error::Internal(_) => return (Exit::Other, None),
        Error::Limit(error) => (Exit::Input, limit_advice(error)),
        Error::Integrity(error) => (Exit::Integrity, integrity_advice(error)),
        Error::ChunkConflict { .. } => (Exit::Integrity, "Send the file again: it becomes a new transfer."),
        Error::Input { what, .. } => (Exit::Input, input_advice(what)),
        Error::TargetExists { path } => (Exit::Target, exists_advice(path.is_dir())),
        Error::TargetInUse { .. } => (Exit::Target, "Wait for it to end, or choose another place with -o."),
        Error::NoSuchPath { .. } => (Exit::Usage, "--list shows the paths; give one exactly, or a folder of them."),
        Error::SeveralFiles { .. } => (Exit::Usage, "Choose one with --only; --list shows the paths."),
        Error::Output { .. } => (Exit::Target, "What was written is not the whole file."),
        Error::TargetUnwritable { source, .. } => (Exit::Target, target_advice(source.kind())),
        Error::NoRoom { .. } => (Exit::Target, "Make room, or choose another disk with -o."),
        Error::State { .. } => {
            (Exit::Other, "Make room or set the permissions there, or set XDG_STATE_HOME to a folder of your own.")
        }
    };
    (exit, Some(advice))
}

fn exists_advice(is_folder: bool) -> &'static str {
    match is_folder {
        true => "Choose another name with -o. Folders are never replaced.",
        false => "Choose another name with -o, or replace a file with --force.",
    }
}

fn limit_advice(error: &LimitError) -> &'static str {
    match error {
        LimitError::Downloads => "Nothing was sent. Send it without --downloads, or to a server that counts them.",
        LimitError::OneFile => "Nothing was sent. Make one archive of them with --tar, or send them without --legacy.",
        LimitError::BlobTooLarge { .. } => "Nothing was sent. Send it without --legacy.",
        LimitError::Room { .. } | LimitError::Quota { .. } => {
            "Nothing was sent. Delete something there (haulier list, haulier rm), or wait until something expires."
        }
        _ => "The server's owner sets these limits.",
    }
}

fn target_advice(why: io::ErrorKind) -> &'static str {
    match why {
        // Names that the disk takes for one.
        io::ErrorKind::AlreadyExists => "Choose another disk with -o, or get the two one after the other with --only.",
        io::ErrorKind::StorageFull => "Make room and run the same command again, or choose another disk with -o.",
        _ => "Choose another place with -o.",
    }
}

fn integrity_advice(error: &IntegrityError) -> &'static str {
    match error {
        IntegrityError::OtherTransfer | IntegrityError::Manifest(_) | IntegrityError::Chunk { .. } => {
            "The server's storage or the way to it damages data, or the server does not tell the truth."
        }
        IntegrityError::Arrival { .. } | IntegrityError::LostChunks => {
            "The way to the server, or its storage, damages data; the transfer is not complete."
        }
    }
}

fn input_advice(what: &InputProblem) -> &'static str {
    match what {
        InputProblem::Unreadable(_) => "Nothing was sent. Check the path and your permission to read it.",
        InputProblem::ReadFailed(_) => "What was sent is kept. Make it readable again; the same command goes on.",
        InputProblem::NotAFile => {
            "Nothing was sent. To send what a pipe or device gives: haulier send - < PATH. To leave such out: --leave-out."
        }
        InputProblem::Sizeless => {
            "Nothing was sent. To send what is in it now: haulier send - < PATH. To leave such out of a folder: --leave-out."
        }
        InputProblem::Link => {
            "Nothing was sent. Leave links out with --leave-out, keep them with --tar, or name what they point to."
        }
        InputProblem::Empty => "Nothing was sent. An archive can hold empty folders: --tar.",
        InputProblem::TooMany { tar: false, .. } | InputProblem::NamesTooLong => {
            "Nothing was sent. Send one archive instead, with --tar."
        }
        InputProblem::TooMany { tar: true, .. } => {
            "Nothing was sent. Pipe it: tar -c PATH | haulier send - --name NAME.tar"
        }
        InputProblem::NamesCollide => "Nothing was sent. Rename one of them, or send one archive instead, with --tar.",
        InputProblem::Changed => "Nothing was shared. Send it again when nothing writes to it any more.",
        InputProblem::Name(_) => "Nothing was sent. Give it another name with --name.",
    }
}

#[cfg(test)]
mod tests;
