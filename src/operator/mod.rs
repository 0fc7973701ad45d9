//! The operator's commands: each opens the stores, calls one use case, and renders what came of it, for people or as JSON.

mod doctor;
mod gc;
mod healthcheck;
mod import;
mod rebuild;
mod stats;
mod text;
mod token;
mod transfer;

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::app::{Needed, Stores, foreign_store, migrate};
use crate::config::Config;
use crate::config::command::{Command, Transfer};
use crate::transfer::Transfers;

/// Something is damaged or not as it should be; a failure of the command itself ends in the same status.
const FOUND: u8 = 1;

/// Does what one command asks for.
///
/// # Errors
/// What keeps it from being done.
pub async fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let needed = needed(&command);
    let beside = || Stores::open_beside(config, needed);
    match command {
        Command::Serve => anyhow::bail!("serving is no operator's command"),
        Command::Migrate => bring_up_to_date(config).await,
        Command::Healthcheck => healthcheck::run(config).await,
        Command::Stats(flags) => on(beside().await?, config, async |all| stats::run(all, flags).await).await,
        Command::Transfer(what) => on(beside().await?, config, async |all| transfer::run(all, what).await).await,
        Command::Token(what) => on(beside().await?, config, async |all| token::run(all, what).await).await,
        Command::Doctor(flags) => on(beside().await?, config, async |all| doctor::run(all, flags).await).await,
        Command::Gc(flags) => on(beside().await?, config, async |all| gc::run(all, flags).await).await,
        Command::Import(flags) => {
            let source = foreign_store(&flags.source, config).await?;
            on(beside().await?, config, async |all| import::run(all, &*source, flags.json, flags.dry_run).await).await
        }
        Command::Rebuild(flags) => {
            let stores = Stores::open_to_rebuild(config).await?;
            on(stores, config, async |all| rebuild::run(all, flags).await).await
        }
    }
}

/// What only asks the database works while the blob store is away, when somebody may well look.
fn needed(command: &Command) -> Needed {
    match command {
        Command::Stats(flags) if !flags.blobs => Needed::Database,
        Command::Transfer(Transfer::Show { .. }) | Command::Token(_) => Needed::Database,
        Command::Gc(flags) if flags.dry_run => Needed::Database,
        _ => Needed::Both,
    }
}

/// Works on opened stores, and closes them.
async fn on(
    stores: Stores,
    config: &Config,
    work: impl AsyncFnOnce(&Transfers) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let done = work(&stores.transfers(config.limits)).await;
    stores.metadata.close().await;
    done
}

async fn bring_up_to_date(config: &Config) -> anyhow::Result<ExitCode> {
    let done = migrate(config).await?;
    say(&match (done.from, done.to) {
        (0, to) => format!("the database is new: schema version {to}"),
        (from, to) if from == to => format!("the database is up to date: schema version {to}"),
        (from, to) => format!("the database went from schema version {from} to {to}"),
    });
    Ok(ExitCode::SUCCESS)
}

/// Prints a line. Whoever reads may have seen enough: that must not stop a repair.
fn say(line: &dyn fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints one JSON object as a line.
fn say_json(object: &impl Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string(object)?);
    Ok(())
}
