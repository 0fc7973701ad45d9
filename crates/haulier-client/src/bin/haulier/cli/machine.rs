//! What can be asked about this machine and its way to the server: doctor, completions, man.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Address of the server [default: HAULIER_SERVER, else from the configuration file, else http://127.0.0.1:8080].
    // Not clap's `env`: doctor says where the address comes from.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Send no test transfer.
    #[arg(long)]
    pub(crate) no_round_trip: bool,
    /// Use plain http also to another machine.
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder to write a page for every command to; made where it is missing.
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
