//! Ctrl-C and its relatives, heard instead of suffered, so that a command can put away what it began.

use std::process;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Exit, Failure};
use crate::passphrase;

/// Listens from the moment it is made.
pub(crate) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Exit::Other, format!("no signal can be heard: {error}"), "Try again."))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Returns once the program was asked to stop.
    pub(crate) async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends the program so long after it was asked to stop, whatever holds it up: a terminal that was paused takes no line,
/// and whoever writes one waits for it.
pub(crate) fn end_in_any_case_after(patience: Duration) {
    let watch = move || {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut interrupt) = Interrupt::listen() else { return };
            interrupt.heard().await;
            tokio::time::sleep(patience).await;
            passphrase::give_echo_back();
            process::exit(i32::from(Exit::Interrupted.number()));
        });
    };
    // Without it the program still ends, unless something holds it up.
    let _ = thread::Builder::new().name("interrupt".into()).spawn(watch);
}
