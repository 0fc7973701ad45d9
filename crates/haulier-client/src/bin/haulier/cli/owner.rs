//! What can be asked about transfers that exist: info, list, rm, edit.

use std::time::Duration;

use clap::Args;

use super::parse_lifetime;

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The link, in quotes; - to read it from standard input; or the id, or its first digits, of a transfer that this
    /// machine sent.
    #[arg(value_name = "LINK|ID|-")]
    pub(crate) wanted: String,
    /// Use plain http also to another machine.
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Ids or links; the first digits of an id, at least 6, are enough.
    #[arg(value_name = "ID|LINK", required = true)]
    pub(crate) wanted: Vec<String>,
    /// Ask no server: only forget what this machine keeps. What the server has stays there until it expires, and nobody
    /// can delete it any more. For servers that are gone for good.
    #[arg(long)]
    pub(crate) forget: bool,
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["expires", "downloads"])))]
pub(crate) struct EditArgs {
    /// The id or the link; the first digits of an id, at least 6, are enough.
    #[arg(value_name = "ID|LINK")]
    pub(crate) wanted: String,
    /// How long it lives from now on, such as 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    pub(crate) expires: Option<Duration>,
    /// How often it can be downloaded in all; 0 lifts the limit.
    #[arg(long, value_name = "N")]
    pub(crate) downloads: Option<u64>,
    /// Print JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}
