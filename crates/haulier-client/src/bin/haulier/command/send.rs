//! `haulier send`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haulier_client::{
    Ambient, OnLink, RetryPolicy, SendOptions, Sent, SentLegacy, Server, Source, Stream, WINDOW_BYTES,
};
use haulier_format::KeyMode;
use serde_json::json;

use super::{blocking, qr_code};
use crate::cli::SendArgs;
use crate::error::{Exit, Failure};
use crate::passphrase::{self, Purpose, Stdin};
use crate::{config, progress, screen, text};

/// Sends, and prints the link.
pub(super) async fn run(args: SendArgs) -> Result<(), Failure> {
    if screen::out_is_closed() {
        let advice = "Nothing was sent. Let standard output go to a terminal, a file or a pipe.";
        return Err(Failure::new(Exit::Other, "standard output is closed, so the link would be lost", advice));
    }
    let ambient = Ambient::system();
    let (json, qr, link_first) = (args.common.json, args.qr, args.link_first);
    let progress = progress::for_command(&args.common, "Sending");
    let choose = Purpose::Choose(ambient.clone());
    let legacy = args.legacy;
    let mut options = blocking(move || options(args, choose)).await?;
    if legacy {
        let sent = haulier_client::send_legacy(options, ambient, progress).await?;
        tell_legacy(&sent, json)?;
        return if qr { qr_code::show(&sent.link) } else { Ok(()) };
    }
    let (mode, from_stream) = (options.mode, matches!(options.source, Source::Stream(_)));
    let told = Arc::new(AtomicBool::new(false));
    if link_first {
        options.on_link = Some(tell_first(json, Arc::clone(&told)));
    }
    let sent = haulier_client::send(options, ambient, progress).await?;
    if let Err(failure) = tell(&sent, told.load(Ordering::Relaxed), json) {
        return Err(untold(sent, from_stream, failure));
    }
    let link = sent.link.clone();
    tell_meaning(&sent, mode, json);
    // The link is known now. What follows may take as long as the terminal likes.
    drop(sent);
    if qr { qr_code::show(&link) } else { Ok(()) }
}

/// Prints the link before its transfer is complete.
fn tell_first(json: bool, told: Arc<AtomicBool>) -> OnLink {
    OnLink::new(move |link| {
        let printed = if json { screen::out(json!({ "event": "link", "link": link })) } else { screen::out(link) };
        // A second time: the transfer had to start anew.
        if told.swap(printed.is_ok(), Ordering::Relaxed) {
            screen::note("The link has changed; the one before will never work.");
        }
    })
}

fn options(args: SendArgs, choose: Purpose) -> Result<SendOptions, Failure> {
    let source = source(args.paths, args.tar, args.leave_out)?;
    let mode = match (args.passphrase, args.passphrase_only) {
        (_, true) => KeyMode::Passphrase,
        (true, false) => KeyMode::LinkPassphrase,
        (false, false) if args.secret.passphrase_file.is_some() => {
            let advice = "Add --passphrase or --passphrase-only.";
            return Err(Failure::new(Exit::Usage, "--passphrase-file is for transfers with a passphrase", advice));
        }
        (false, false) => {
            if passphrase::is_in_environment() {
                screen::note("HAULIER_PASSPHRASE is set and not used: add --passphrase or --passphrase-only.");
            }
            KeyMode::Link
        }
    };
    let stdin = if matches!(source, Source::Stream(_)) { Stdin::Sent } else { Stdin::Free };
    let secret = if mode.has_passphrase() { Some(passphrase::source(&args.secret, choose, stdin)?) } else { None };
    let server =
        Server::parse(&config::server(args.to)?, args.common.allow_http).map_err(haulier_client::Error::from)?;
    Ok(SendOptions {
        server,
        access_token: config::access_token().map(Arc::new),
        source,
        name: args.name,
        message: args.message,
        lifetime: args.expires,
        max_downloads: args.downloads,
        mode,
        passphrase: secret,
        chunk_size: args.chunk_size,
        on_link: None,
        parallel: args.common.parallel.get(),
        window_bytes: WINDOW_BYTES,
        state_dir: config::state_dir()?,
        retry: RetryPolicy::default(),
    })
}

/// Standard input stands alone: it cannot be part of a list of files.
fn source(paths: Vec<PathBuf>, tar: bool, leave_out: bool) -> Result<Source, Failure> {
    if !paths.iter().any(|path| path.as_os_str() == "-") {
        return Ok(Source::Paths { paths, tar, leave_out });
    }
    if paths.len() > 1 || tar {
        let advice = "Send it by itself, or write it to a file first. A file called - is ./-";
        return Err(Failure::new(
            Exit::Usage,
            "standard input (-) cannot be sent together with files or --tar",
            advice,
        ));
    }
    if std::io::stdin().is_terminal() {
        let advice = "Pipe something into it, such as: pg_dump shop | haulier send - --name shop.sql";
        return Err(Failure::new(Exit::Usage, "standard input is the terminal", advice));
    }
    Ok(Source::Stream(Stream::new(std::io::stdin())))
}

/// The transfer is complete and nobody has its link yet: it must not be lost.
fn untold(sent: Sent, from_stream: bool, failure: Failure) -> Failure {
    if from_stream {
        // What was sent is gone, so this is the last chance to show it.
        screen::note(format_args!("Standard output takes no link. Here it is:\n{}", sent.link.as_str()));
        return failure;
    }
    sent.keep_state();
    let what = "the transfer is complete, but standard output takes no link";
    Failure::new(Exit::Other, what, "The same command shows the link again, and sends nothing twice.")
}

/// Without `--json` the link alone goes to standard output, so that it can be piped; once, if it was told first.
fn tell(sent: &Sent, told: bool, json: bool) -> Result<(), Failure> {
    if !json {
        return if told { Ok(()) } else { screen::out(sent.link.as_str()) };
    }
    screen::out(json!({
        "transfer_id": sent.transfer_id,
        "link": sent.link.as_str(),
        "expires_at": sent.expires_at,
        "name": sent.name,
        "file_size": sent.file_size,
        "files": sent.files,
        "chunk_size": sent.chunk_size,
        "total_chunks": sent.total_chunks,
        "resumed": sent.resumed,
    }))
}

/// The same of a blob, which has no chunks.
fn tell_legacy(sent: &SentLegacy, json: bool) -> Result<(), Failure> {
    if json {
        return screen::out(json!({
            "transfer_id": sent.transfer_id,
            "link": sent.link.as_str(),
            "expires_at": sent.expires_at,
            "name": sent.name,
            "file_size": sent.file_size,
        }));
    }
    screen::out(sent.link.as_str())?;
    if std::io::stderr().is_terminal() {
        let name = text::line(&sent.name);
        screen::note(match sent.expires_at {
            Some(end) => format!("Whoever has this link can get {name} until {}.", text::moment(end)),
            None => format!("Whoever has this link can get {name}."),
        });
    }
    Ok(())
}

/// Says to a person who can do what with it.
fn tell_meaning(sent: &Sent, mode: KeyMode, json: bool) {
    if json || !std::io::stderr().is_terminal() {
        return;
    }
    let (name, end) = (text::line(&sent.name), text::moment(sent.expires_at));
    screen::note(match mode {
        KeyMode::Link => format!("Whoever has this link can get {name} until {end}."),
        KeyMode::LinkPassphrase => format!("Whoever has this link and the passphrase can get {name} until {end}."),
        KeyMode::Passphrase => format!("Whoever has the passphrase can get {name} at this link until {end}."),
    });
}
