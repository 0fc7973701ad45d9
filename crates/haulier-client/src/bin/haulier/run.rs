//! The commands: from the command line to the library, and from its answer to the screen.

use std::io::IsTerminal as _;
use std::sync::Arc;

use haulier_client::{Ambient, ReceiveOptions, Received, RetryPolicy, SendOptions, Sent, Server, WINDOW_BYTES};
use haulier_format::KeyMode;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{Command, GetArgs, SendArgs};
use crate::error::{Exit, Failure};
use crate::passphrase::{self, Purpose};
use crate::{config, progress};

/// Runs one command to its end.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Send(args) => send(args).await,
        Command::Get(args) => get(args).await,
    }
}

async fn send(args: SendArgs) -> Result<(), Failure> {
    let ambient = Ambient::system();
    let json = args.common.json;
    let progress = progress::for_command(&args.common, "Sending");
    let choose = Purpose::Choose(ambient.clone());
    let options = blocking(move || send_options(args, choose)).await?;
    let sent = haulier_client::send(options, ambient, progress).await?;
    tell_sent(&sent, json);
    Ok(())
}

fn send_options(args: SendArgs, choose: Purpose) -> Result<SendOptions, Failure> {
    let mode = match (args.passphrase, args.passphrase_only) {
        (_, true) => KeyMode::Passphrase,
        (true, false) => KeyMode::LinkPassphrase,
        (false, false) if args.secret.passphrase_file.is_some() => {
            let advice = "Add --passphrase or --passphrase-only.";
            return Err(Failure::new(Exit::Usage, "--passphrase-file is for transfers with a passphrase", advice));
        }
        (false, false) => KeyMode::Link,
    };
    let secret = if mode.has_passphrase() { Some(passphrase::source(&args.secret, choose, false)?) } else { None };
    let server =
        Server::parse(&config::server(args.to)?, args.common.allow_http).map_err(haulier_client::Error::from)?;
    Ok(SendOptions {
        server,
        access_token: config::access_token().map(Arc::new),
        path: args.path,
        name: args.name,
        message: args.message,
        lifetime: args.expires,
        mode,
        passphrase: secret,
        chunk_size: args.chunk_size,
        parallel: args.common.parallel.get(),
        window_bytes: WINDOW_BYTES,
        state_dir: config::state_dir()?,
        retry: RetryPolicy::default(),
    })
}

/// Without `--json` the link alone goes to standard output, so that it can be piped.
fn tell_sent(sent: &Sent, json: bool) {
    if json {
        let result = json!({
            "transfer_id": sent.transfer_id,
            "link": sent.link.as_str(),
            "expires_at": sent.expires_at,
            "name": sent.name,
            "file_size": sent.file_size,
            "chunk_size": sent.chunk_size,
            "total_chunks": sent.total_chunks,
            "resumed": sent.resumed,
        });
        println!("{result}");
        return;
    }
    println!("{}", sent.link.as_str());
    if std::io::stderr().is_terminal() {
        eprintln!("Whoever has this link can get {:?} until {:.0}.", sent.name, sent.expires_at);
    }
}

async fn get(args: GetArgs) -> Result<(), Failure> {
    let json = args.common.json;
    let quiet = args.common.quiet;
    let progress = progress::for_command(&args.common, "Getting");
    let options = blocking(move || get_options(args)).await?;
    let received = haulier_client::receive(options, Ambient::system(), progress).await?;
    tell_received(&received, json, quiet);
    Ok(())
}

fn get_options(args: GetArgs) -> Result<ReceiveOptions, Failure> {
    let from_stdin = args.link == "-";
    let link = if from_stdin {
        let advice = "Pipe the link into it, such as: haulier get - < link.txt";
        passphrase::stdin_line()?.ok_or_else(|| Failure::new(Exit::Usage, "standard input holds no link", advice))?
    } else {
        Zeroizing::new(args.link)
    };
    // Whether the link has a passphrase is decided by the link alone; standard input is not touched without one.
    let mode = haulier_format::Link::parse(link.trim()).map(|link| link.mode.key_mode());
    let secret = match mode {
        Ok(mode) if mode.has_passphrase() => Some(passphrase::source(&args.secret, Purpose::Enter, from_stdin)?),
        _ => None,
    };
    Ok(ReceiveOptions {
        link,
        output: args.output,
        force: args.force,
        passphrase: secret,
        parallel: args.common.parallel.get(),
        window_bytes: WINDOW_BYTES,
        allow_http: args.common.allow_http,
        retry: RetryPolicy::default(),
    })
}

fn tell_received(received: &Received, json: bool, quiet: bool) {
    if json {
        let result = json!({
            "path": received.path.to_string_lossy(),
            "file_size": received.file_size,
            "transfer_id": received.transfer_id,
            "files": received.files,
            "message": received.message,
        });
        println!("{result}");
        return;
    }
    if quiet {
        return;
    }
    if let Some(message) = &received.message {
        eprintln!("The sender says: {}", shown(message));
    }
    eprintln!("{}", received.path.display());
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
