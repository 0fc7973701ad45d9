//! Where the CLI takes a passphrase from: a file, the environment, a terminal without echo, or standard input; never
//! an argument, since other users can see those.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use console::Term;
use haulier_client::{Ambient, Error, PassphraseSource};
use haulier_format::{Passphrase, generate_passphrase};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::PassphraseArgs;
use crate::error::{Exit, Failure};
use crate::screen;

const VARIABLE: &str = "HAULIER_PASSPHRASE";
/// More than the longest passphrase, also before NFC makes it shorter.
const LONGEST_LINE_BYTES: u64 = 16 << 10;

/// The terminal's mode before echo was turned off.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether a passphrase is chosen now or was chosen by the sender.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// Asked for twice; an empty one is replaced by one from this random source.
    Choose(Ambient),
    /// Asked for once.
    Enter,
}

/// What else standard input is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdin {
    /// Nothing: it may hold the passphrase.
    Free,
    /// Its first line was the link; the next may be the passphrase.
    HadLink,
    /// It is what is sent.
    Sent,
}

/// Finds the passphrase, or the way to ask for it. A file, the environment and a pipe are read at once.
pub(crate) fn source(args: &PassphraseArgs, purpose: Purpose, stdin: Stdin) -> Result<PassphraseSource, Failure> {
    let text = if let Some(file) = &args.passphrase_file {
        if stdin == Stdin::Sent && file == Path::new("-") {
            return Err(unusable("standard input is what is sent"));
        }
        Some(from_file(file)?)
    } else if let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
        let text = text.into_string().map_err(|_| unusable(&format!("{VARIABLE} is not UTF-8")))?;
        Some(Zeroizing::new(text))
    } else if stdin == Stdin::Sent || io::stdin().is_terminal() {
        None
    } else {
        // After a link on standard input, its next line; a person at a terminal may still be there to ask.
        stdin_line()?.filter(|line| !(stdin == Stdin::HadLink && line.is_empty()))
    };
    match text {
        Some(text) => {
            let passphrase = Passphrase::new(&text).map_err(|error| unusable(&error.to_string()))?;
            Ok(PassphraseSource::Given(Arc::new(passphrase)))
        }
        None => Ok(PassphraseSource::Ask(Arc::new(move || ask(&purpose)))),
    }
}

/// Whether the environment holds one.
pub(crate) fn is_in_environment() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|text| !text.is_empty())
}

/// Gives the terminal its echo back when a question was interrupted, and says whether one was.
pub(crate) fn restore_terminal() -> bool {
    let asked = give_echo_back();
    if asked {
        screen::note("");
    }
    asked
}

/// As [`restore_terminal`], without a word.
pub(crate) fn give_echo_back() -> bool {
    let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return false };
    let _ = tcsetattr(io::stderr().as_fd(), OptionalActions::Now, &before);
    true
}

/// Reads one line of standard input; `None` at its end.
pub(crate) fn stdin_line() -> Result<Option<Zeroizing<String>>, Failure> {
    let mut line = Zeroizing::new(String::with_capacity(4 << 10));
    let read = io::Read::take(io::stdin().lock(), LONGEST_LINE_BYTES).read_line(&mut line);
    let read = read.map_err(|error| unusable(&format!("standard input cannot be read: {error}")))?;
    Ok((read > 0).then(|| without_line_end(&line)))
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return stdin_line()?.ok_or_else(|| unusable("standard input is empty"));
    }
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| unusable(&format!("{} cannot be read: {error}", path.display())))?;
    let line = text.split_inclusive('\n').next().unwrap_or_default();
    Ok(without_line_end(line))
}

/// Drops one final line end and nothing else: spaces belong to the passphrase.
fn without_line_end(line: &str) -> Zeroizing<String> {
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    Zeroizing::new(line.to_owned())
}

fn ask(purpose: &Purpose) -> Result<Passphrase, Error> {
    let Purpose::Choose(ambient) = purpose else { return checked(&question("Passphrase: ")?) };
    loop {
        let text = question("Passphrase (leave empty to have one made): ")?;
        if text.is_empty() {
            let made = Zeroizing::new(ambient.with_rng(|mut rng| generate_passphrase(&mut rng)));
            screen::note(format_args!(
                "Passphrase: {}\nTell it to the receiver by another way than the link; it is not shown again.",
                *made
            ));
            return checked(&made);
        }
        if *question("Again: ")? == *text {
            return checked(&text);
        }
        screen::note("The two differ. Once more:");
    }
}

fn question(prompt: &str) -> Result<Zeroizing<String>, Error> {
    let term = Term::stderr();
    if !term.is_term() {
        return Err(Error::Passphrase("there is no terminal to ask for it".into()));
    }
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stderr().as_fd()).ok();
    let failed = |error: io::Error| Error::Passphrase(format!("the terminal cannot be read: {error}"));
    term.write_str(prompt).map_err(failed)?;
    let line = term.read_secure_line().map(Zeroizing::new).map_err(failed)?;
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(line)
}

fn checked(text: &str) -> Result<Passphrase, Error> {
    Passphrase::new(text).map_err(|error| Error::Passphrase(error.to_string()))
}

fn unusable(what: &str) -> Failure {
    let advice = format!("Set {VARIABLE}, use --passphrase-file, or run it in a terminal.");
    Failure::new(Exit::WrongKey, format!("the passphrase cannot be used: {what}"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_final_line_end_is_dropped_and_nothing_else() {
        for (line, expected) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a", "a"),
            (" a b \n", " a b "),
            ("a\n\n", "a\n"),
            ("a\r", "a\r"),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(*without_line_end(line), expected, "{line:?}");
        }
    }
}
