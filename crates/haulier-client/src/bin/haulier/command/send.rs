//! `haulier send`.

use std::io::IsTerminal as _;
use std::sync::Arc;

use haulier_client::{Ambient, RetryPolicy, SendOptions, Sent, Server, WINDOW_BYTES};
use haulier_format::KeyMode;
use serde_json::json;

use super::blocking;
use crate::cli::SendArgs;
use crate::error::{Exit, Failure};
use crate::passphrase::{self, Purpose};
use crate::{config, progress};

/// Sends, and prints the link.
pub(super) async fn run(args: SendArgs) -> Result<(), Failure> {
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
