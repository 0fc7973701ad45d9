//! How databases fail: the only map from their codes to [`StoreError`].

use anyhow::anyhow;
use sqlx::migrate::MigrateError;

use crate::store::StoreError;

/// What a failure means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    Unavailable,
    Internal,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match kind(&error) {
            Kind::Full => Self::Full,
            Kind::Unavailable => Self::unavailable(error),
            Kind::Internal => Self::internal(error),
        }
    }
}

/// Whether the same may succeed a moment later.
pub(in super::super) fn is_passing(error: &sqlx::Error) -> bool {
    kind(error) == Kind::Unavailable
}

/// Says in plain words why a schema cannot be brought up to date.
pub(in super::super) fn migration_error(error: MigrateError) -> anyhow::Error {
    match error {
        MigrateError::VersionMissing(version) => anyhow!(
            "a newer version of this program has written this database (migration {version}, which this one does not know); \
             start that version, or restore a backup from before the upgrade"
        ),
        error => error.into(),
    }
}

fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some(code) if code.len() == 5 => postgres(code),
            Some(code) => sqlite(code),
            None => Kind::Internal,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// Result codes, primary and extended, in decimal.
fn sqlite(code: &str) -> Kind {
    match code {
        // SQLITE_FULL; SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE: a full disk, for the write-ahead log's index.
        "13" | "778" | "4874" => Kind::Full,
        // SQLITE_BUSY, and with operators' commands beside: _RECOVERY, _SNAPSHOT, _TIMEOUT.
        "5" | "261" | "517" | "773" => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// SQLSTATE, five characters of which the first two are the class.
fn postgres(code: &str) -> Kind {
    match code {
        // disk_full
        "53100" => Kind::Full,
        // Another transaction was in the way, or held its lock for too long: serialization_failure, deadlock_detected,
        // lock_not_available, query_canceled (statement_timeout), idle_in_transaction_session_timeout.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" => Kind::Unavailable,
        // read_only_sql_transaction: a standby, in mid-failover.
        "25006" => Kind::Unavailable,
        // database_dropped
        "57P04" => Kind::Internal,
        // Connections, refused passwords (an operator mends that), other resources, the server going down or coming up.
        _ if ["08", "28", "53", "57"].iter().any(|class| code.starts_with(class)) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

#[cfg(test)]
mod tests;
