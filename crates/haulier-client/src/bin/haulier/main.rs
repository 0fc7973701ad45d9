//! `haulier`: send files of any size; only whoever has the link can open them.
#![forbid(unsafe_code)]

mod cli;
mod command;
mod config;
mod error;
mod interrupt;
mod passphrase;
mod progress;
mod screen;
mod text;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime::Runtime;

use cli::{Cli, Command};
use error::{Exit, Failure};
use interrupt::Interrupt;

/// How long writes that are under way may take to end after an interruption, so that what they bring is kept.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    keep_memory_private();
    let arguments: Vec<OsString> = env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return error::of_command_line(&error, &arguments),
    };
    let json = cli.command.json();
    let from_pipe = matches!(&cli.command, Command::Send(args) if args.is_stream());
    interrupt::end_in_any_case_after(SHUTDOWN_TIMEOUT + Duration::from_millis(500));
    let Ok(runtime) = Runtime::new() else {
        Failure::new(Exit::Other, "no threads can be started", "Close other programs and try again.").tell(json);
        return ExitCode::from(Exit::Other.number());
    };
    let outcome = runtime.block_on(until_interrupted(cli.command));
    screen::end_bar();
    // A thread that waits for an answer on the terminal, or for a pipe, has nothing to clean up, and would wait on.
    let asking = passphrase::restore_terminal();
    runtime.shutdown_timeout(if asking || from_pipe { Duration::ZERO } else { SHUTDOWN_TIMEOUT });
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
    let mut interrupt = Interrupt::listen()?;
    let interrupted = match &command {
        Command::Get(args) if args.is_stream() => Failure::interrupted("What was written is not the whole file."),
        Command::Send(args) if args.is_stream() => Failure::interrupted(
            "Nothing was shared. What came from standard input is gone: run the whole pipeline again.",
        ),
        Command::Send(_) | Command::Get(_) => Failure::interrupted("The same command goes on where it stopped."),
        // It has a transfer on the server to delete, so it hears of the interruption itself.
        Command::Doctor(_) => return command::run(command, interrupt).await,
        _ => Failure::interrupted(None),
    };
    let heard = Interrupt::listen()?;
    tokio::select! {
        outcome = command::run(command, heard) => outcome,
        () = interrupt.heard() => Err(interrupted),
    }
}

/// Keys and tokens stay out of core dumps, and out of the reach of other processes of the same user.
///
/// Failures change nothing: a system that has no such switch is no worse off than before.
fn keep_memory_private() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
