//! `haulier get`.

use std::io;

use haulier_client::{
    Ambient, Error, ReceiveOptions, Received, RetryPolicy, WINDOW_BYTES, parse_link, peek, receive, receive_stream,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{blocking, listing};
use crate::cli::GetArgs;
use crate::error::{Exit, Failure};
use crate::passphrase::{self, Purpose, Stdin};
use crate::{config, progress, screen, text};

/// Gets, and prints where it is; or lists.
pub(super) async fn run(args: GetArgs) -> Result<(), Failure> {
    let (json, quiet, list, stream) = (args.common.json, args.common.quiet, args.list, args.is_stream());
    if stream && json {
        let advice = "Leave --json out, or write to a file.";
        return Err(Failure::new(Exit::Usage, "standard output takes either the file or JSON, not both", advice));
    }
    if stream && screen::out_is_closed() {
        let advice = "Let standard output go to a program or a file.";
        return Err(Failure::new(Exit::Target, "standard output is closed, so the file would be lost", advice));
    }
    let progress = progress::for_command(&args.common, "Getting");
    let ambient = Ambient::system();
    let options = blocking(move || get_options(args)).await?;
    if list {
        let preview = peek(options, ambient, progress).await?;
        return if json { screen::show(listing::json(&preview)) } else { screen::show(listing::lines(&preview)) };
    }
    if stream {
        let received = receive_stream(options, ambient, progress, io::stdout()).await.map_err(stream_failure)?;
        tell_message(&received, quiet);
        return Ok(());
    }
    let received = receive(options, ambient, progress).await?;
    tell_received(&received, json, quiet)
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
        only: args.only,
        force: args.force,
        wait: args.wait,
        passphrase: secret,
        parallel: args.common.parallel.get(),
        window_bytes: WINDOW_BYTES,
        // Without a state folder it still works; only going on later does not.
        state_dir: config::state_dir().ok(),
        allow_http: args.common.allow_http,
        retry: RetryPolicy::default(),
    })
}

/// Who reads only the beginning, such as `head`, needs no words about it.
fn stream_failure(error: Error) -> Failure {
    match &error {
        Error::Output { source } if source.kind() == io::ErrorKind::BrokenPipe => Failure::silent(Exit::Target),
        _ => error.into(),
    }
}

fn tell_received(received: &Received, json: bool, quiet: bool) -> Result<(), Failure> {
    if json {
        let result = json!({
            "path": received.path.as_ref().map(|path| path.to_string_lossy()),
            "file_size": received.file_size,
            "transfer_id": received.transfer_id,
            "files": received.files,
            "message": received.message,
            "resumed": received.resumed,
        });
        return screen::out(result);
    }
    tell_message(received, quiet);
    if let Some(path) = received.path.as_ref().filter(|_| !quiet) {
        let (path, size) = (text::line(&path.to_string_lossy()), text::bytes(received.file_size));
        screen::note(format_args!("Got {path}, {size}; every chunk was checked."));
    }
    Ok(())
}

fn tell_message(received: &Received, quiet: bool) {
    if let Some(message) = received.message.as_ref().filter(|_| !quiet) {
        screen::note(format_args!("The sender says: {}", text::lines(message)));
    }
}
