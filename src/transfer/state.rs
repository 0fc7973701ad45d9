//! Pure rules: what a stored row means now, and what this server accepts.

use std::time::Duration;

use haulier_wire::{ByteLen, Timestamp};

use crate::metadata::{Expiry, Quotas, StoredState, Transfer};
use crate::transfer::{Rate, TransferError};

pub use crate::metadata::LeaseTimes;

/// What this server accepts, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest file_size, in bytes.
    pub max_file_bytes: u64,
    /// Most chunks of one transfer.
    pub max_total_chunks: u32,
    /// Shortest lifetime.
    pub min_expiry: Duration,
    /// Lifetime when create names none.
    pub default_expiry: Duration,
    /// Longest lifetime.
    pub max_expiry: Duration,
    /// How long a pending upload lives after its last chunk.
    pub upload_expiry: Duration,
    /// Longest pause of a request body.
    pub client_timeout: Duration,
    /// How long blobs stay after expiry, so that running responses can finish.
    pub sweep_grace: Duration,
    /// How long downloads of a transfer with a limit hold their places.
    pub leases: LeaseTimes,
    /// Who may create.
    pub create: Create,
    /// Most that is there at a time.
    pub quotas: Quotas,
    /// Requests of one client.
    pub client_rate: Option<Rate>,
    /// Creates with one access token.
    pub token_rate: Option<Rate>,
}

/// How long a reader at 1 KiB/s takes for the 256 KiB that are sent at once.
const SLOWEST_PIECE: Duration = Duration::from_secs(256);

impl Limits {
    /// How long the body of an answer may stand still before its reader is given up.
    #[must_use]
    pub fn longest_stall(&self) -> Duration {
        self.client_timeout.saturating_add(SLOWEST_PIECE)
    }
}

/// Who may create transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Everybody who reaches the server.
    Open,
    /// Whoever has an access token.
    Token,
}

/// Shortest lifetime that any server accepts.
pub const MIN_EXPIRY: Duration = Duration::from_secs(1);

/// What a row means at one moment: the states of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Chunks may arrive.
    Pending,
    /// Can be read.
    Completed,
    /// Every download is spent; only leases that are under way are served on.
    Exhausted,
    /// The owner deleted it.
    Deleted,
    /// Its time, or the time of its upload, is over.
    Expired,
}

/// What changes a transfer's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every chunk is there and the sender says so.
    Complete,
    /// The last place of the limit is spent, or the owner lowers the limit to what is spent.
    SpendLast,
    /// The owner deletes it.
    Delete,
    /// Its time is over.
    Expire,
}

/// Every transition; what is not here does not happen. In the databases each is one conditional update, but for expiry,
/// which follows from the clock. Nothing leads back: a link that has ended stays at its end.
pub const TRANSITIONS: &[(Liveness, Event, Liveness)] = &[
    (Liveness::Pending, Event::Complete, Liveness::Completed),
    (Liveness::Pending, Event::Delete, Liveness::Deleted),
    (Liveness::Pending, Event::Expire, Liveness::Expired),
    (Liveness::Completed, Event::SpendLast, Liveness::Exhausted),
    (Liveness::Completed, Event::Delete, Liveness::Deleted),
    (Liveness::Completed, Event::Expire, Liveness::Expired),
    (Liveness::Exhausted, Event::Delete, Liveness::Deleted),
    (Liveness::Exhausted, Event::Expire, Liveness::Expired),
    (Liveness::Expired, Event::Delete, Liveness::Deleted),
];

/// The state that an event leads to; `None` when it changes nothing.
#[must_use]
pub fn next(from: Liveness, event: Event) -> Option<Liveness> {
    TRANSITIONS.iter().find(|(state, happens, _)| (*state, *happens) == (from, event)).map(|(.., to)| *to)
}

/// Says what a row means at `now`. At the very moment of expiry it is over; and what was swept never comes back, whatever
/// the clocks say: some server's was beyond the end, and the bytes are gone.
#[must_use]
pub fn liveness(transfer: &Transfer, now: Timestamp) -> Liveness {
    let ended = matches!(transfer.expiry, Expiry::At(at) if at <= now);
    match transfer.state {
        StoredState::Deleted => Liveness::Deleted,
        _ if ended => Liveness::Expired,
        StoredState::Pending | StoredState::Completed if transfer.is_swept => Liveness::Expired,
        StoredState::Pending if transfer.upload_expires_at <= now => Liveness::Expired,
        StoredState::Pending => Liveness::Pending,
        StoredState::Completed => Liveness::Completed,
        StoredState::Exhausted => Liveness::Exhausted,
    }
}

/// Adds a duration to a moment; the far end of time when it lies beyond.
#[must_use]
pub fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// When a transfer ends that completes, or completed, at `completed_at`.
#[must_use]
pub fn expires_at(expiry: Expiry, completed_at: Timestamp) -> Timestamp {
    match expiry {
        Expiry::At(at) => at,
        Expiry::AfterComplete(milliseconds) => {
            after(completed_at, Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)))
        }
    }
}

/// Reads an asked-for expiry against the limits; `None` when nothing is asked for.
///
/// # Errors
/// [`TransferError::Limit`] when it lies in the past, or outside the accepted range.
pub fn requested_expiry(
    limits: &Limits,
    in_seconds: Option<ByteLen>,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Expiry>, TransferError> {
    let range = || {
        let (shortest, longest) = (limits.min_expiry.as_secs(), limits.max_expiry.as_secs());
        TransferError::Limit(format!("the transfer must end {shortest} to {longest} seconds from now"))
    };
    if let Some(seconds) = in_seconds {
        let lifetime = Duration::from_secs(seconds.get());
        if lifetime < limits.min_expiry || lifetime > limits.max_expiry {
            return Err(range());
        }
        let milliseconds = i64::try_from(lifetime.as_millis()).map_err(|_| range())?;
        return Ok(Some(Expiry::AfterComplete(milliseconds)));
    }
    let Some(at) = at else { return Ok(None) };
    if at < after(now, limits.min_expiry) || at > after(now, limits.max_expiry) {
        return Err(range());
    }
    // The databases keep milliseconds.
    Ok(Some(Expiry::At(Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at))))
}

#[cfg(test)]
mod tests;
