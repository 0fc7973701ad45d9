//! `haulier`: send files of any size; only whoever has the link can open them.
#![forbid(unsafe_code)]

mod cli;
mod command;
mod config;
mod error;
mod passphrase;
mod progress;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command};
use error::{Exit, Failure};

/// How long writes that are under way may take to end after an interruption, so that what they bring is kept.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = match &cli.command {
        Command::Send(args) => args.common.json,
        Command::Get(args) => args.common.json,
    };
    let Ok(runtime) = Runtime::new() else {
        Failure::new(Exit::Other, "no threads can be started", "Close other programs and try again.").tell(json);
        return ExitCode::from(Exit::Other.number());
    };
    let outcome = runtime.block_on(until_interrupted(cli.command));
    // A thread that waits for an answer on the terminal has nothing to clean up, and would wait on.
    let asking = passphrase::restore_terminal();
    runtime.shutdown_timeout(if asking { Duration::ZERO } else { SHUTDOWN_TIMEOUT });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(json);
            ExitCode::from(failure.exit.number())
        }
    }
}

/// Runs the command; an interruption drops it.
async fn until_interrupted(command: Command) -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Exit::Other, format!("no signal can be heard: {error}"), "Try again."))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let advice = match &command {
        Command::Get(args) if args.is_stream() => "What was written is not the whole file.",
        Command::Send(_) | Command::Get(_) => "The same command goes on where it stopped.",
    };
    tokio::select! {
        outcome = command::run(command) => outcome,
        _ = interrupt.recv() => Err(Failure::new(Exit::Interrupted, "interrupted", advice)),
        _ = terminate.recv() => Err(Failure::new(Exit::Interrupted, "interrupted", advice)),
    }
}
