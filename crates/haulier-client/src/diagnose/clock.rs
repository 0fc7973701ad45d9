//! This machine's clock against the server's.

use haulier_wire::Timestamp;

use super::{Check, Finding};
use crate::http::Contact;
use crate::unit::span;

/// A larger difference is worth a warning, in seconds: times on the screen are then wrong, and certificates soon.
const TOLERATED_SECONDS: u64 = 120;

pub(super) fn check(contact: &Contact, now: Timestamp) -> Finding {
    let Some(server) = contact.date else {
        return Finding::ok(Check::Clock, "the server does not tell its time");
    };
    let ahead = now.as_second().saturating_sub(server.as_second());
    let difference = ahead.unsigned_abs();
    if difference <= TOLERATED_SECONDS {
        return Finding::ok(Check::Clock, format!("within {} s of the server's", difference.max(2)));
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let message = format!("this machine's clock is {} {side} the server's", span(difference));
    Finding::warning(Check::Clock, message, "Set the clock that is wrong; until then, times of expiry are off.")
}
