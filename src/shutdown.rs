//! One flag that says that the process is about to stop, for readiness and for background work.

use tokio::sync::watch;

/// Tells many tasks that the process is stopping.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: watch::Sender::new(false) }
    }
}

impl Shutdown {
    /// Says that the process is stopping; cannot be taken back.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// Whether [`Shutdown::begin`] was called.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until [`Shutdown::begin`] is called.
    pub async fn begun(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.sender.subscribe().wait_for(|begun| *begun).await;
    }
}
