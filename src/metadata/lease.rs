//! What a database does for downloads of transfers with a limit: the trait `LeaseStore`, below `MetadataStore`.
//!
//! A place is taken by one conditional update in the transaction that inserts the lease, never by counting rows. A lease
//! that has ended has no row.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use haulier_wire::{Timestamp, TokenHash, TransferId};

use super::Transfer;
use crate::store::StoreError;

/// Names one lease: a token is good for one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseKey {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Hash of the lease token.
    pub token_hash: TokenHash,
}

/// How long leases last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// From its start, while nothing was charged.
    pub unused: Duration,
    /// After its last byte.
    pub idle: Duration,
    /// From its start, whatever happens.
    pub longest: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        let (unused, idle, longest) = (Duration::from_mins(2), Duration::from_hours(1), Duration::from_hours(24));
        Self { unused, idle, longest }
    }
}

/// One reserved download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// All that the transfer has to read.
    pub payload_bytes: u64,
    /// Body bytes that were allowed to leave.
    pub charged_bytes: u64,
    /// Whether there is nothing more to be done with its place: it is spent, or was given back ahead of the lease's end.
    pub is_spent: bool,
    /// When it was taken.
    pub started_at: Timestamp,
    /// When it ends if nothing more is charged.
    pub ends_at: Timestamp,
}

impl Lease {
    /// Whether it has ended at `now`, or was taken by a clock that was ahead: no lease ends later than a new one could.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp, times: LeaseTimes) -> bool {
        self.ends_at <= now || self.ends_at > furthest_end(now, times)
    }
}

/// How far the clocks of servers may differ.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// No lease that was taken before `now` ends later than this, on whichever server.
pub(super) fn furthest_end(now: Timestamp, times: LeaseTimes) -> Timestamp {
    let longest = times.longest.max(times.unused).saturating_add(CLOCKS_DIFFER);
    now.saturating_add(longest).unwrap_or(Timestamp::MAX)
}

/// When a lease ends, charged at `now`.
pub(super) fn next_end(started_at: Timestamp, now: Timestamp, times: LeaseTimes) -> Timestamp {
    let after = |moment: Timestamp, lasts| moment.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    after(now, times.idle).min(after(started_at, times.longest))
}

/// What came of asking for a place.
#[derive(Clone, Debug)]
pub enum Taken {
    /// The place is taken by a new lease.
    New(Lease),
    /// The token's lease was there: nothing was taken.
    Same(Lease),
    /// No place; here is the row that says why.
    Refused(Box<Transfer>),
    /// There is no such transfer.
    NotFound,
}

/// What came of charging a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The bytes may leave.
    Charged {
        /// Whether it was this charge that spent the place.
        spends: bool,
    },
    /// The transfer has no limit any more: nothing is charged.
    Free,
    /// That would be more than twice the payload.
    UsedUp,
    /// There is no such lease, or it has ended.
    Ended,
}

/// What came of committing a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Its place is spent now.
    New,
    /// Its place was spent before.
    Same,
    /// The transfer has no limit any more.
    Free,
    /// There is no such lease, or it has ended.
    Ended,
}

/// What came of ending a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its place is free again.
    GivenBack,
    /// It ended unspent, but what was abandoned has reached the payload's length: its place counts as spent.
    Burnt,
    /// Its place was spent.
    Spent,
    /// There is no such lease.
    Unknown,
}

/// What came of ending leases that have lapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// How many ended.
    pub ended: u32,
    /// Whether the place of any of them counts as spent.
    pub is_burnt: bool,
}

/// What unspent leases leave behind, in numbers of the transfer's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Places that are free again.
    pub(super) given_back: i64,
    /// Places that count as spent.
    pub(super) burnt: i64,
    /// What is added to the transfer's abandoned bytes.
    pub(super) abandoned: i64,
}

/// The rule of abandoned bytes: an unspent lease adds its charge; each time that reaches the payload's length, one length
/// is subtracted and the place is kept. So nobody reads without end by never finishing.
pub(super) fn settle(abandoned: u64, leases: &[Lease]) -> Settled {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (mut settled, mut sum) = (Settled::default(), abandoned);
    for lease in leases.iter().filter(|lease| !lease.is_spent) {
        sum = sum.saturating_add(lease.charged_bytes);
        if lease.charged_bytes > 0 && sum >= lease.payload_bytes {
            sum -= lease.payload_bytes;
            settled.burnt += 1;
        } else {
            settled.given_back += 1;
        }
    }
    Settled { abandoned: signed(sum) - signed(abandoned), ..settled }
}

/// The part of a database that holds downloads to a transfer's limit. Every method is one transaction that holds the
/// transfer's row, so that all of them happen one after another. All but `refund_lease` may be done twice: a charge then
/// costs twice.
#[async_trait]
pub trait LeaseStore: Debug + Send + Sync {
    /// Takes a place for a lease, or finds the lease, lapsed or not.
    async fn take_lease(
        &self,
        key: &LeaseKey,
        payload_bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Taken, StoreError>;

    /// Finds a lease, lapsed or not.
    async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError>;

    /// Charges bytes that are about to leave, and moves the lease's end on. The place is spent once the payload is charged.
    async fn charge_lease(
        &self,
        key: &LeaseKey,
        bytes: u64,
        now: Timestamp,
        times: LeaseTimes,
    ) -> Result<Charged, StoreError>;

    /// Takes bytes off the charge of a lease that were charged and have not left. A spent place stays spent. Never done
    /// twice, or more would leave than is charged.
    async fn refund_lease(&self, key: &LeaseKey, bytes: u64) -> Result<(), StoreError>;

    /// Spends the place of a lease.
    async fn commit_lease(&self, key: &LeaseKey, now: Timestamp, times: LeaseTimes) -> Result<Committed, StoreError>;

    /// Ends a lease. One whose place is spent, or burnt by this, serves on if `keep_spent`.
    async fn end_lease(&self, key: &LeaseKey, keep_spent: bool) -> Result<Ended, StoreError>;

    /// Gives the place of a lease back, or burns it, and keeps the lease: it serves on as a spent one does.
    async fn release_place(&self, key: &LeaseKey) -> Result<Ended, StoreError>;

    /// Lists transfers that have leases which have lapsed, the first `most`.
    async fn with_lapsed_leases(
        &self,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Vec<TransferId>, StoreError>;

    /// Ends leases of a transfer that have lapsed, at most `most`: a transaction must not grow with what anybody can begin.
    async fn end_lapsed_leases(
        &self,
        id: TransferId,
        now: Timestamp,
        times: LeaseTimes,
        most: u32,
    ) -> Result<Lapsed, StoreError>;

    /// Changes how often a transfer may be downloaded, in all; 0 for no limit, which ends its leases. It is exhausted at
    /// once when that many places are spent. `false` when it is neither pending nor completed.
    async fn set_max_downloads(&self, id: TransferId, max_downloads: u64) -> Result<bool, StoreError>;
}
