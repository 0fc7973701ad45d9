//! The commands: from the command line to the library, and from its answer to the screen.

mod doctor;
mod edit;
mod get;
mod info;
mod list;
mod listing;
mod manual;
mod owned;
mod qr_code;
mod rm;
mod send;

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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let failed = |_| Failure::new(Exit::Other, "a worker thread ended early", "Try again.");
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(error)))
}
