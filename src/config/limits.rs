//! What this server accepts: sizes, times, quotas, rates, and who may create.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::unit;
use crate::transfer::state::{Create, LeaseTimes, Limits, MIN_EXPIRY};
use crate::transfer::{Quotas, Rate};

/// The settings as they are given.
#[derive(Args, Debug)]
pub(super) struct LimitSettings {
    /// Largest file that a transfer may hold
    #[arg(long, env = "HAULIER_MAX_FILE_SIZE", default_value = "8192TiB", value_name = "SIZE", global = true)]
    max_file_size: String,
    /// Most chunks of one transfer
    #[arg(long, env = "HAULIER_MAX_CHUNKS", default_value = "1000000", value_name = "COUNT", global = true)]
    max_chunks: String,
    /// How long a transfer lives when its sender does not say
    #[arg(long, env = "HAULIER_DEFAULT_EXPIRY", default_value = "7d", value_name = "TIME", global = true)]
    default_expiry: String,
    /// Longest life that a sender may ask for
    #[arg(long, env = "HAULIER_MAX_EXPIRY", default_value = "365d", value_name = "TIME", global = true)]
    max_expiry: String,
    /// How long an unfinished upload lives after its last chunk
    #[arg(long, env = "HAULIER_UPLOAD_EXPIRY", default_value = "7d", value_name = "TIME", global = true)]
    upload_expiry: String,
    /// A request body that pauses for longer is given up
    #[arg(long, env = "HAULIER_CLIENT_TIMEOUT", default_value = "30s", value_name = "TIME", global = true)]
    client_timeout: String,
    /// How long the bytes of an expired transfer stay, so that running downloads can finish
    #[arg(long, env = "HAULIER_SWEEP_GRACE", default_value = "1h", value_name = "TIME", global = true)]
    sweep_grace: String,
    /// How long a download of a transfer with a limit holds its place before its first byte
    #[arg(long, env = "HAULIER_LEASE_UNUSED", default_value = "2m", value_name = "TIME", global = true)]
    lease_unused: String,
    /// How long it holds its place after its last byte, so that it can be resumed
    #[arg(long, env = "HAULIER_LEASE_IDLE", default_value = "1h", value_name = "TIME", global = true)]
    lease_idle: String,
    /// How long it holds its place in all
    #[arg(long, env = "HAULIER_LEASE_LONGEST", default_value = "1d", value_name = "TIME", global = true)]
    lease_longest: String,
    /// Who may create transfers: open (everybody who reaches the server) or token (whoever has an access token)
    #[arg(long, env = "HAULIER_CREATE", default_value = "open", value_name = "WHO", global = true)]
    create: String,
    /// Shortest life that a sender may ask for
    #[arg(long, env = "HAULIER_MIN_EXPIRY", default_value = "1s", value_name = "TIME", global = true)]
    min_expiry: String,
    /// Most bytes of all transfers together, announced ones included [default: no limit]
    #[arg(long, env = "HAULIER_MAX_TOTAL_SIZE", value_name = "SIZE", global = true)]
    max_total_size: Option<String>,
    /// The same for the transfers of one access token that has no limit of its own [default: no limit]
    #[arg(long, env = "HAULIER_MAX_TOKEN_SIZE", value_name = "SIZE", global = true)]
    max_token_size: Option<String>,
    /// Most uploads that are not complete [default: no limit]
    #[arg(long, env = "HAULIER_MAX_OPEN_UPLOADS", value_name = "COUNT", global = true)]
    max_open_uploads: Option<String>,
    /// The same for one access token [default: no limit]
    #[arg(long, env = "HAULIER_MAX_TOKEN_UPLOADS", value_name = "COUNT", global = true)]
    max_token_uploads: Option<String>,
    /// Most requests of one client address, such as 600/1m; chunks are requests, too [default: no limit]
    #[arg(long, env = "HAULIER_CLIENT_RATE", value_name = "COUNT/TIME", global = true)]
    client_rate: Option<String>,
    /// Most creates with one access token, such as 100/1h [default: no limit]
    #[arg(long, env = "HAULIER_TOKEN_RATE", value_name = "COUNT/TIME", global = true)]
    token_rate: Option<String>,
}

impl LimitSettings {
    /// Checks them.
    pub(super) fn check(&self) -> anyhow::Result<Limits> {
        let limits = Limits {
            max_file_bytes: unit::bytes("HAULIER_MAX_FILE_SIZE", &self.max_file_size)?,
            max_total_chunks: unit::count("HAULIER_MAX_CHUNKS", &self.max_chunks, 1, u64::from(u32::MAX))?
                .try_into()?,
            min_expiry: unit::duration("HAULIER_MIN_EXPIRY", &self.min_expiry)?,
            default_expiry: unit::duration("HAULIER_DEFAULT_EXPIRY", &self.default_expiry)?,
            max_expiry: unit::duration("HAULIER_MAX_EXPIRY", &self.max_expiry)?,
            upload_expiry: unit::duration("HAULIER_UPLOAD_EXPIRY", &self.upload_expiry)?,
            client_timeout: unit::duration("HAULIER_CLIENT_TIMEOUT", &self.client_timeout)?,
            sweep_grace: unit::duration("HAULIER_SWEEP_GRACE", &self.sweep_grace)?,
            leases: LeaseTimes {
                unused: unit::duration("HAULIER_LEASE_UNUSED", &self.lease_unused)?,
                idle: unit::duration("HAULIER_LEASE_IDLE", &self.lease_idle)?,
                longest: unit::duration("HAULIER_LEASE_LONGEST", &self.lease_longest)?,
            },
            create: create("HAULIER_CREATE", &self.create)?,
            quotas: Quotas {
                server_bytes: size("HAULIER_MAX_TOTAL_SIZE", self.max_total_size.as_deref())?,
                server_uploads: count("HAULIER_MAX_OPEN_UPLOADS", self.max_open_uploads.as_deref())?,
                token_bytes: size("HAULIER_MAX_TOKEN_SIZE", self.max_token_size.as_deref())?,
                token_uploads: count("HAULIER_MAX_TOKEN_UPLOADS", self.max_token_uploads.as_deref())?,
            },
            client_rate: self.client_rate.as_deref().map(|text| rate("HAULIER_CLIENT_RATE", text)).transpose()?,
            token_rate: self.token_rate.as_deref().map(|text| rate("HAULIER_TOKEN_RATE", text)).transpose()?,
        };
        ensure!(limits.max_expiry >= MIN_EXPIRY, "HAULIER_MAX_EXPIRY: must be at least 1s");
        ensure!(limits.default_expiry >= MIN_EXPIRY, "HAULIER_DEFAULT_EXPIRY: must be at least 1s");
        ensure!(limits.min_expiry >= MIN_EXPIRY, "HAULIER_MIN_EXPIRY: must be at least 1s");
        ensure!(
            limits.default_expiry <= limits.max_expiry,
            "HAULIER_DEFAULT_EXPIRY: must not be longer than HAULIER_MAX_EXPIRY"
        );
        ensure!(
            limits.min_expiry <= limits.default_expiry,
            "HAULIER_MIN_EXPIRY: must not be longer than HAULIER_DEFAULT_EXPIRY"
        );
        ensure!(!limits.leases.unused.is_zero(), "HAULIER_LEASE_UNUSED: must be at least 1s");
        ensure!(!limits.leases.idle.is_zero(), "HAULIER_LEASE_IDLE: must be at least 1s");
        ensure!(
            limits.leases.longest >= limits.leases.unused.max(limits.leases.idle),
            "HAULIER_LEASE_LONGEST: must not be shorter than HAULIER_LEASE_IDLE and HAULIER_LEASE_UNUSED"
        );
        ensure!(!limits.upload_expiry.is_zero(), "HAULIER_UPLOAD_EXPIRY: must be at least 1s");
        ensure!(!limits.client_timeout.is_zero(), "HAULIER_CLIENT_TIMEOUT: must be at least 1s");
        Ok(limits)
    }
}

fn create(variable: &str, text: &str) -> anyhow::Result<Create> {
    match text {
        "open" => Ok(Create::Open),
        "token" => Ok(Create::Token),
        _ => bail!("{variable}: expected open or token"),
    }
}

fn size(variable: &str, text: Option<&str>) -> anyhow::Result<Option<u64>> {
    text.map(|text| unit::bytes(variable, text)).transpose()
}

fn count(variable: &str, text: Option<&str>) -> anyhow::Result<Option<u64>> {
    text.map(|text| unit::count(variable, text, 0, u32::MAX.into())).transpose()
}

fn rate(variable: &str, text: &str) -> anyhow::Result<Rate> {
    let expected = || format!("{variable}: expected a count and a time such as 600/1m");
    let (requests, per) = text.split_once('/').with_context(expected)?;
    let requests = unit::count(variable, requests, 1, 1 << 20)?.try_into()?;
    let per = unit::duration(variable, per)?;
    ensure!(per >= Duration::from_secs(1) && per <= Duration::from_hours(24), "{variable}: a time from 1s to 24h");
    Ok(Rate { requests, per })
}
