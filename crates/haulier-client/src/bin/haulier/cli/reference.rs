//! What help and manual pages say beside the options: how a command ends, what it takes from its environment, and which
//! files it keeps.

/// A word, and what it stands for.
pub(crate) type Entry = (&'static str, &'static str);

pub(crate) const EXIT_STATUS: &[Entry] = &[
    ("0", "done"),
    ("1", "something else went wrong"),
    ("2", "the command line cannot be read, or names a path that the transfer does not hold"),
    ("3", "wrong link, key, passphrase or access token"),
    ("4", "no such transfer: never there, deleted or expired"),
    ("5", "the sender is still uploading"),
    ("6", "the network or the server is not available"),
    ("7", "what came back is not what was sent"),
    ("8", "the target exists or cannot be written"),
    ("9", "what is to be sent is missing, unreadable or changed, or the server does not take it"),
    ("130", "interrupted, or a question for a passphrase was ended with Ctrl-D"),
];

pub(crate) const JSON: &str = "\
With --json, standard output carries one JSON object a line: events while it runs
(none with --quiet), and as the last line the result, or what went wrong:
{\"error\":{\"code\",\"exit_code\",\"message\",\"advice\"}}.";

pub(crate) const ENVIRONMENT: &[Entry] = &[
    ("HAULIER_SERVER", "the server; --to goes before it, the configuration file after it"),
    ("HAULIER_ACCESS_TOKEN", "the access token, where the server asks for one"),
    ("HAULIER_PASSPHRASE", "the passphrase; else it is asked for"),
    ("SSL_CERT_FILE", "the authorities to trust, in PEM"),
    ("TERM", "empty or dumb: progress as plain lines"),
    ("XDG_CONFIG_HOME", "where haulier/config.toml is, if not in ~/.config"),
    ("XDG_STATE_HOME", "where the folder haulier with the local state is, if not in ~/.local/state"),
];

pub(crate) const FILES: &[Entry] = &[
    ("~/.config/haulier/config.toml", "server = \"https://HOST\", and nothing else"),
    (
        "~/.local/state/haulier/sent/ID.json",
        "of each transfer that was sent: server, name, size, times and owner token, no key",
    ),
    (
        "~/.local/state/haulier/uploads/ID/",
        "of each upload that is not finished: its keys, its create request, and what was sealed",
    ),
    ("~/.local/state/haulier/machine-key", "a random key, by which get knows its own leftovers"),
    (
        ".haulier-ID-*.part, .chunks, .names, .arriving",
        "beside the target: what get has so far, how it knows it again, and which files are its own; gone when it is done",
    ),
];

/// The exit codes, as help shows them.
pub(crate) fn exit_codes() -> String {
    let lines: String = EXIT_STATUS.iter().map(|(code, meaning)| format!("\n  {code:>3}  {meaning}")).collect();
    format!("Exit codes:{lines}\n\n{JSON}")
}
