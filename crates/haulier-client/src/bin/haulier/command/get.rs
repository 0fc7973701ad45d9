//! `haulier get`.

use haulier_client::{Ambient, ReceiveOptions, Received, RetryPolicy, WINDOW_BYTES, parse_link};
use serde_json::json;
use zeroize::Zeroizing;

use super::{blocking, shown};
use crate::cli::GetArgs;
use crate::error::{Exit, Failure};
use crate::passphrase::{self, Purpose, Stdin};
use crate::progress;

/// Gets, and prints where it is.
pub(super) async fn run(args: GetArgs) -> Result<(), Failure> {
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
    let stdin = if from_stdin { Stdin::HadLink } else { Stdin::Free };
    // Whether the link has a passphrase is decided by the link alone; standard input is not touched without one.
    let mode = parse_link(&link).map(|link| link.mode.key_mode());
    let secret = match mode {
        Ok(mode) if mode.has_passphrase() => Some(passphrase::source(&args.secret, Purpose::Enter, stdin)?),
        _ => None,
    };
    Ok(ReceiveOptions {
        link,
        output: args.output,
        only: Vec::new(),
        force: args.force,
        wait: false,
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
            "path": received.path.as_ref().map(|path| path.to_string_lossy()),
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
    if let Some(path) = &received.path {
        eprintln!("{}", path.display());
    }
}
