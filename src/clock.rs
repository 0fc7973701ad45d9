//! The only reader of the wall clock: everything else is handed the time.

use std::fmt::Debug;

use haulier_wire::Timestamp;

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // The databases keep milliseconds; a finer time here would differ from the one read back.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
