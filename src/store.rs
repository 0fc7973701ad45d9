//! How the database and the blob store fail, as the use cases need to tell it apart; what both say of their load; and
//! the name that both have for an upload.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long an operator's command waits for a store to answer at all: somebody sits before it.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// Names one upload of a payload: 16 lowercase hex digits, made by the server, which no client ever sees.
///
/// Each upload is a blob of its own, so that no writer that comes late touches what another has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(u64);

impl UploadId {
    /// Makes a name from random bytes.
    #[must_use]
    pub fn from_random_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = u64::from_str_radix(text, 16).map(Self)?;
        // One upload has one name.
        anyhow::ensure!(id.to_string() == text, "not the name of an upload");
        Ok(id)
    }
}

/// A failure of the database or of the blob store. Cheap to clone: one failed batch answers many requests.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left; the same call works again once there is some.
    #[error("no space is left")]
    Full,
    /// Away or overloaded; the same call may work again.
    #[error("the store is not available")]
    Unavailable(#[source] Arc<anyhow::Error>),
    /// A fault that another try will not mend.
    #[error("the store failed")]
    Internal(#[source] Arc<anyhow::Error>),
}

impl StoreError {
    /// Wraps a fault that another try will not mend.
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        Self::Internal(Arc::new(source.into()))
    }

    /// Wraps a failure that may pass.
    pub fn unavailable(source: impl Into<anyhow::Error>) -> Self {
        Self::Unavailable(Arc::new(source.into()))
    }

    /// What the system says of a file of this machine that cannot be read, as with a bad sector. A store that is elsewhere
    /// may fail in the middle of a blob, too, which says nothing of the blob.
    #[must_use]
    pub fn damaged_file(&self) -> Option<String> {
        let Self::Internal(source) = self else { return None };
        let error = source.downcast_ref::<std::io::Error>()?;
        error.raw_os_error().map(|_| error.to_string())
    }
}

/// Memory that a store holds for bodies on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferUse {
    /// Held now.
    pub used_bytes: u64,
    /// What is left of the budget.
    pub free_bytes: u64,
}

/// What a pool of connections says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Which pool.
    pub name: &'static str,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Connections in use.
    pub used: u32,
    /// Most connections.
    pub most: u32,
    /// How often one was asked for.
    pub acquires: u64,
    /// How long all who asked have waited together.
    pub waited: Duration,
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full,
            Kind::TimedOut | Kind::Interrupted | Kind::ResourceBusy | Kind::StaleNetworkFileHandle => {
                Self::unavailable(error)
            }
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests;
