//! The commands: from the command line to the library, and from its answer to the screen.

mod get;
mod qr_code;
mod send;

use crate::cli::Command;
use crate::error::{Exit, Failure};

/// Runs one command to its end.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Send(args) => send::run(args).await,
        Command::Get(args) => get::run(args).await,
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
