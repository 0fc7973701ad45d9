//! `haulier-server`: reads the configuration, starts the log, serves, or does what the operator asks for.

use std::process::ExitCode;

use clap::Parser as _;
use haulier_server::app::App;
use haulier_server::config::{Cli, Command, Config, unknown_variables};
use haulier_server::operator;
use haulier_server::telemetry::log;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let (command, config) = match Cli::parse().check() {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("haulier-server: {error:#}\nSee haulier-server --help for all settings.");
            return ExitCode::from(2);
        }
    };
    // Whatever the folders' modes: what this process writes is for its own user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    log::start(EnvFilter::new(&config.log), config.log_format, std::io::stderr);
    log::report_panics();
    for name in unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
        tracing::warn!(variable = name, "this variable looks like a setting and is none; see --help");
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(command, &config)));
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("haulier-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    if command != Command::Serve {
        return operator::run(command, config).await;
    }
    let app = App::build(config).await?;
    let url = format!("{}://{}", app.scheme, app.address);
    let public = config.public_url.as_ref().map_or(url.clone(), |public| public.as_str().trim_end_matches('/').into());
    println!("Haulier serves on {url}\nSend a file:  haulier send FILE --to {public}");
    app.run().await.map(|()| ExitCode::SUCCESS)
}
