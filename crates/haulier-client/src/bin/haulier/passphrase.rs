//! Where the CLI takes a passphrase from: a file, the environment, a terminal without echo, or standard input; never
//! an argument, since other users can see those.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use console::Term;
use haulier_client::{Ambient, Error, PassphraseSource};
use haulier_format::{Passphrase, generate_passphrase};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
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
    /// Asked for once; up to three times where it was wrong.
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
        None => {
            let times = AtomicU32::new(0);
            Ok(PassphraseSource::Ask(Arc::new(move || ask(&purpose, times.fetch_add(1, Ordering::Relaxed) + 1))))
        }
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

/// Asks until something usable is typed, or the question is ended with Ctrl-D. `time` counts from 1.
fn ask(purpose: &Purpose, time: u32) -> Result<Passphrase, Error> {
    let Purpose::Choose(ambient) = purpose else {
        if time > 1 {
            screen::note("It does not open this transfer. Once more; Ctrl-D ends it.");
        }
        return asked_until_usable(|| question("Passphrase: "));
    };
    asked_until_usable(|| {
        loop {
            let text = question("Passphrase (leave empty to have one made): ")?;
            if text.is_empty() {
                let made = Zeroizing::new(ambient.with_rng(|mut rng| generate_passphrase(&mut rng)));
                screen::note(format_args!(
                    "Passphrase: {}\nTell it to the receiver by another way than the link; it is not shown again.",
                    *made
                ));
                return Ok(made);
            }
            if *question("Again: ")? == *text {
                return Ok(text);
            }
            screen::note("The two differ. Once more:");
        }
    })
}

fn asked_until_usable(ask: impl Fn() -> Result<Zeroizing<String>, Error>) -> Result<Passphrase, Error> {
    loop {
        match Passphrase::new(&ask()?) {
            Ok(passphrase) => return Ok(passphrase),
            Err(error) => screen::note(format_args!("It cannot be used: {error}. Once more; Ctrl-D ends it.")),
        }
    }
}

/// Asks on the terminal, without echo.
fn question(prompt: &str) -> Result<Zeroizing<String>, Error> {
    let failed = |error: io::Error| Error::Passphrase(format!("the terminal cannot be read: {error}"));
    if !Term::stderr().is_term() {
        return Err(Error::Passphrase("there is no terminal to ask for it".into()));
    }
    let terminal = terminal().map_err(failed)?;
    let before = tcgetattr(&terminal).map_err(|error| failed(error.into()))?;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
    let mut silent = before;
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
    let _ = Term::stderr().write_str(prompt);
    let line = typed_line(&terminal);
    give_echo_back();
    // The line end that was typed was not shown.
    screen::note("");
    line.map_err(failed)?.ok_or(Error::Cancelled)
}

/// Standard input if it is a terminal, else the one that the program runs at.
fn terminal() -> io::Result<OwnedFd> {
    if io::stdin().is_terminal() {
        return io::stdin().as_fd().try_clone_to_owned();
    }
    fs::File::options().read(true).write(true).open("/dev/tty").map(OwnedFd::from)
}

/// Reads a line, byte by byte so that no copy of it stays anywhere; none where Ctrl-D came first.
fn typed_line(terminal: &OwnedFd) -> io::Result<Option<Zeroizing<String>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(4 << 10));
    let mut byte = Zeroizing::new([0]);
    loop {
        match rustix::io::read(terminal, &mut byte[..]) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() as u64 >= LONGEST_LINE_BYTES => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some(Zeroizing::new(text.trim_end_matches('\r').to_owned())))
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
