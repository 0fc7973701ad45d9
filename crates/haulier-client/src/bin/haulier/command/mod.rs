//! The commands: from the command line to the library, and from its answer to the screen.

mod doctor;
mod edit;
mod get;
mod info;
mod list;
mod manual;
mod owned;
mod qr_code;
mod rm;
mod send;
mod text;

use crate::cli::Command;
use crate::error::{Exit, Failure};
use crate::interrupt::Interrupt;

/// Runs one command to its end. Only doctor hears of an interruption; the others are dropped.
pub(crate) async fn run(command: Command, interrupt: Interrupt) -> Result<(), Failure> {
    match command {
        Command::Send(args) => send::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Info(args) => info::run(args).await,
        Command::List(args) => list::run(&args).await,
        Command::Rm(args) => rm::run(&args).await,
        Command::Edit(args) => edit::run(&args).await,
        Command::Doctor(args) => doctor::run(args, interrupt).await,
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// A sender's text on one's own terminal: line ends stay, what could steer the terminal or turn the text around is named.
fn shown(text: &str) -> String {
    text.chars()
        .map(|symbol| if symbol == '\n' { symbol.to_string() } else { symbol.escape_debug().to_string() })
        .collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let failed = |_| Failure::new(Exit::Other, "a worker thread ended early", "Try again.");
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(shown("hé 📦\nbye"), "hé 📦\nbye");
        assert_eq!(shown("\u{1b}[2J\r\u{202e}x"), "\\u{1b}[2J\\r\\u{202e}x");
    }
}
