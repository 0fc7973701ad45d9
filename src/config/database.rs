//! `HAULIER_DATABASE_URL`: what it may be. It may hold a password, so neither an error nor a log ever repeats it.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{anyhow, ensure};
use url::Url;

/// Parameters that mean something to the database's client. Any other is a typing error that it would pass over.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Where transfers are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file, which one process uses.
    Sqlite(PathBuf),
    /// A server, which any number of processes share.
    Postgres(DatabaseUrl),
}

/// A URL that may hold a password: what prints it shows its scheme alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole of it, for whoever connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Tells which database it names.
    pub(super) fn check(self) -> anyhow::Result<Database> {
        match self.scheme() {
            "sqlite" => sqlite_path(&self.0).map(Database::Sqlite),
            "postgres" | "postgresql" => {
                check_postgres(&self.0)?;
                Ok(Database::Postgres(self))
            }
            _ => Err(anyhow!("HAULIER_DATABASE_URL: expected sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME")),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme() {
            known @ ("sqlite" | "postgres" | "postgresql") => known,
            _ => "unknown",
        };
        write!(f, "DatabaseUrl({scheme}:...)")
    }
}

fn sqlite_path(url: &str) -> anyhow::Result<PathBuf> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    ensure!(!path.is_empty() && path != ":memory:", "HAULIER_DATABASE_URL: expected the path of a file after sqlite:");
    Ok(PathBuf::from(path))
}

fn check_postgres(text: &str) -> anyhow::Result<()> {
    let url = Url::parse(text).map_err(|_| {
        anyhow!(
            "HAULIER_DATABASE_URL: not a URL; in a password, write anything but letters and digits as %XX, \
             such as %40 for @"
        )
    })?;
    let mut is_named = !url.path().trim_start_matches('/').is_empty();
    for (name, value) in url.query_pairs() {
        // Parameters of the server itself: options[NAME]=VALUE.
        let is_option = name.starts_with("options[") && name.ends_with(']');
        ensure!(
            is_option || PARAMETERS.contains(&&*name),
            "HAULIER_DATABASE_URL: unknown parameter; known are {}",
            PARAMETERS.join(", ")
        );
        ensure!(
            name != "sslmode" || SSL_MODES.contains(&&*value),
            "HAULIER_DATABASE_URL: sslmode must be one of {}",
            SSL_MODES.join(", ")
        );
        is_named |= name == "dbname";
    }
    ensure!(is_named, "HAULIER_DATABASE_URL: expected the database's name after the host: postgres://HOST/NAME");
    Ok(())
}
