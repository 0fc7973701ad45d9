//! Where a passphrase comes from, once it is known that one is needed.

use std::sync::Arc;

use haulier_format::Passphrase;

use crate::error::Error;

/// Asks a person; may block.
pub type Ask = dyn Fn() -> Result<Passphrase, Error> + Send + Sync;

/// A passphrase, or the way to get one.
#[derive(Clone)]
pub enum PassphraseSource {
    /// It is there already.
    Given(Arc<Passphrase>),
    /// A person is asked, and only when it is needed; for a transfer that exists, again if it was wrong, up to three times.
    Ask(Arc<Ask>),
}

impl std::fmt::Debug for PassphraseSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassphraseSource(..)")
    }
}

impl PassphraseSource {
    /// How often it can be tried.
    pub(crate) const fn tries(&self) -> u32 {
        match self {
            Self::Given(_) => 1,
            Self::Ask(_) => 3,
        }
    }

    /// Gets it. Blocks while a person types.
    pub(crate) fn get(&self) -> Result<Arc<Passphrase>, Error> {
        match self {
            Self::Given(passphrase) => Ok(Arc::clone(passphrase)),
            Self::Ask(ask) => ask().map(Arc::new),
        }
    }
}

/// Runs what blocks or computes for long away from the threads that move bytes.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Internal("a worker thread ended early")))
}
