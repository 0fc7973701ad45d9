//! How the process stops: not ready any more, then no new connections, then the end.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the process is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Not ready any more; whoever comes is still served.
    Draining,
    /// No new connections; running requests may finish.
    Stopping,
    /// Nothing is waited for.
    Cut,
}

/// Tells many tasks that the process is stopping.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<Phase>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: watch::Sender::new(Phase::Serving) }
    }
}

impl Shutdown {
    /// Says that the process is stopping; cannot be taken back.
    pub fn begin(&self) {
        self.enter(Phase::Draining);
    }

    /// Whether [`Shutdown::begin`] was called.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.sender.borrow() >= Phase::Draining
    }

    /// Waits until [`Shutdown::begin`] is called.
    pub async fn begun(&self) {
        self.entered(Phase::Draining).await;
    }

    /// Waits until no new connections are to be taken.
    pub async fn stopping(&self) {
        self.entered(Phase::Stopping).await;
    }

    /// Waits until somebody has lost patience.
    pub async fn cut(&self) {
        self.entered(Phase::Cut).await;
    }

    /// Goes through the phases from the first SIGTERM or SIGINT on: `drain` from the first to the second phase; another
    /// signal goes to the end at once.
    ///
    /// # Errors
    /// When the signals cannot be listened for.
    pub fn follow_signals(&self, drain: Duration) -> std::io::Result<()> {
        let mut signals =
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        let shutdown = self.clone();
        tokio::spawn(async move {
            signals.next().await;
            shutdown.begin();
            if !drain.is_zero() {
                tracing::info!(drain_seconds = drain.as_secs(), "stopping: not ready any more, serving on for a while");
            }
            tokio::select! {
                () = tokio::time::sleep(drain) => {
                    tracing::info!("stopping: running requests may finish");
                    shutdown.enter(Phase::Stopping);
                    signals.next().await;
                }
                () = signals.next() => {}
            }
            tracing::warn!("stopping at once: asked a second time");
            shutdown.enter(Phase::Cut);
        });
        Ok(())
    }

    fn enter(&self, phase: Phase) {
        self.sender.send_if_modified(|present| {
            let is_later = phase > *present;
            *present = phase.max(*present);
            is_later
        });
    }

    async fn entered(&self, phase: Phase) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.sender.subscribe().wait_for(|present| *present >= phase).await;
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
