//! Leases: with a limit of downloads, each takes a place first, and every body pays for its bytes before they leave.
//!
//! [`Transfers::admit`] is the one point that every body of every read passes. What it gives is a [`Toll`], which the
//! body carries; whoever sends bytes asks it before and tells it after.

use std::time::Duration;

use haulier_wire::api::{LeaseEnd, LeaseEndResponse, LeaseResponse};
use haulier_wire::encoding::to_hex;
use haulier_wire::{ByteLen, Timestamp, TransferId, TransferKind};

use super::access::Reader;
use super::state::{self, Liveness};
use super::{Token, TransferError, Transfers};
use crate::metadata::{Committed, Ended, Lease, LeaseKey, LeaseTimes, Taken, Transfer};
use crate::store::StoreError;

mod count;
mod toll;

pub(super) use count::CountsUnderWay;
pub use toll::Toll;

/// Leases that one transaction ends: of one transfer there may be any number that has lapsed.
const LAPSED_BATCH: u32 = 500;
/// Such batches that one reader waits for.
const LAPSED_BATCHES: u32 = 8;
/// How long a lease that a body took for itself lasts after its last byte: nobody else knows its token, so after a kill its
/// place waits for this alone. Longer than a body can stand still before it is given up, and than a minute between two
/// signs of life.
const OWN_IDLE: Duration = Duration::from_mins(10);

/// What reading a transfer costs.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The transfer.
    pub transfer_id: TransferId,
    /// All that it has to read.
    pub payload_bytes: u64,
    /// Whether it has a limit. Without one everything is free.
    pub is_limited: bool,
    /// Whether a read without a lease takes one of its own, which ends with the response.
    pub takes_own: bool,
}

impl Terms {
    /// What reading a part of this transfer costs. The clients of older systems know of no leases.
    #[must_use]
    pub fn of(transfer: &Transfer) -> Self {
        Self {
            transfer_id: transfer.id,
            payload_bytes: payload_bytes(transfer),
            is_limited: transfer.max_downloads > 0,
            takes_own: transfer.kind != TransferKind::Full,
        }
    }

    /// The same for a read of everything, which takes a lease of its own.
    #[must_use]
    pub fn of_whole(transfer: &Transfer) -> Self {
        Self { takes_own: true, ..Self::of(transfer) }
    }
}

/// Sealed bytes of a completed transfer.
fn payload_bytes(transfer: &Transfer) -> u64 {
    transfer.stored_bytes
}

impl Transfers {
    /// Lets a body of `len` bytes begin: its first step is paid when this returns.
    ///
    /// # Errors
    /// [`TransferError::LeaseRequired`], [`TransferError::LeaseEnded`], [`TransferError::LeaseUsedUp`];
    /// [`TransferError::PlacesTaken`] and [`TransferError::Exhausted`] for a read that takes a lease of its own.
    pub async fn admit(&self, terms: Terms, reader: &Reader, len: u64) -> Result<Toll, TransferError> {
        if !terms.is_limited {
            return Ok(Toll::free());
        }
        let mut toll = match &reader.lease {
            Some(token) => Toll::new(self.clone(), key(terms.transfer_id, token), terms.payload_bytes, false),
            None if terms.takes_own => self.own_toll(&terms).await?,
            None => return Err(TransferError::LeaseRequired),
        };
        toll.pay(len).await?;
        Ok(toll)
    }

    /// Takes a place, or finds the lease that the reader has.
    ///
    /// # Errors
    /// As every read; [`TransferError::LeaseRequired`] without a lease token; [`TransferError::PlacesTaken`] and
    /// [`TransferError::Exhausted`] when there is no place.
    pub async fn take_lease(&self, id: TransferId, reader: &Reader) -> Result<LeaseResponse, TransferError> {
        let transfer = self.opened_for(id, reader).await?;
        let token = reader.lease.as_ref().ok_or(TransferError::LeaseRequired)?;
        let payload_bytes = payload_bytes(&transfer);
        if transfer.max_downloads == 0 {
            return Ok(response(id, payload_bytes, None));
        }
        let lease = self.place(&key(id, token), payload_bytes).await?;
        Ok(response(id, payload_bytes, lease.as_ref()))
    }

    /// Spends the place of the reader's lease: the download is complete.
    ///
    /// # Errors
    /// As every read; [`TransferError::LeaseEnded`].
    pub async fn commit_lease(&self, id: TransferId, reader: &Reader) -> Result<LeaseResponse, TransferError> {
        let transfer = self.opened_for(id, reader).await?;
        let key = key(id, reader.lease.as_ref().ok_or(TransferError::LeaseRequired)?);
        match self.metadata.commit_lease(&key, self.clock.now(), self.limits.leases).await? {
            Committed::Ended => return Err(TransferError::LeaseEnded),
            // Also the second time: of the first one the answer, or the count, may have been lost.
            Committed::New | Committed::Same => self.save_count(id),
            Committed::Free => {}
        }
        let lease = self.metadata.lease(&key).await?;
        Ok(response(id, payload_bytes(&transfer), lease.as_ref()))
    }

    /// Gives the place of the reader's lease back, unless it is spent.
    ///
    /// # Errors
    /// As every read; [`TransferError::LeaseRequired`] without a lease token.
    pub async fn give_back_lease(&self, id: TransferId, reader: &Reader) -> Result<LeaseEndResponse, TransferError> {
        self.opened_for(id, reader).await?;
        let key = key(id, reader.lease.as_ref().ok_or(TransferError::LeaseRequired)?);
        let status = match self.end_lease(&key, true).await? {
            Ended::GivenBack => LeaseEnd::GivenBack,
            Ended::Burnt | Ended::Spent => LeaseEnd::Spent,
            Ended::Unknown => LeaseEnd::Ended,
        };
        Ok(LeaseEndResponse { transfer_id: id, status })
    }

    /// How long a lease lasts; one that a body took for itself not as long.
    fn lease_times(&self, is_own: bool) -> LeaseTimes {
        let times = self.limits.leases;
        if !is_own {
            return times;
        }
        let shortest = self.limits.longest_stall() + toll::KEPT_EVERY + toll::KEPT_EVERY;
        LeaseTimes { idle: times.idle.min(OWN_IDLE.max(shortest)), ..times }
    }

    /// Whether the reader has a lease that is under way.
    pub(super) async fn has_lease(&self, id: TransferId, reader: &Reader) -> Result<bool, StoreError> {
        let Some(token) = &reader.lease else { return Ok(false) };
        let lease = self.metadata.lease(&key(id, token)).await?;
        Ok(lease.is_some_and(|lease| !lease.has_lapsed(self.clock.now(), self.limits.leases)))
    }

    /// Ends leases that have lapsed, a few of a few transfers at a time, until there are none.
    pub(super) async fn end_lapsed_leases(&self, now: Timestamp) -> Result<(), StoreError> {
        const BATCH: u32 = 64;
        loop {
            let ids = self.metadata.with_lapsed_leases(now, self.limits.leases, BATCH).await?;
            if ids.is_empty() {
                return Ok(());
            }
            for id in ids {
                self.end_lapsed_of(id, now).await?;
                self.count_saved(id).await;
            }
        }
    }

    /// Ends some of a transfer; whether there may be more.
    async fn end_lapsed_of(&self, id: TransferId, now: Timestamp) -> Result<bool, StoreError> {
        let lapsed = self.metadata.end_lapsed_leases(id, now, self.limits.leases, LAPSED_BATCH).await?;
        if lapsed.is_burnt {
            self.save_count(id);
        }
        Ok(lapsed.ended >= LAPSED_BATCH)
    }

    /// A lease that nobody else knows. What ends it is there before it is taken: the reader may go away at any moment.
    async fn own_toll(&self, terms: &Terms) -> Result<Toll, TransferError> {
        let token = Token::new(&to_hex(&[self.entropy.bytes(), self.entropy.bytes()].concat()));
        let token = token.ok_or_else(|| StoreError::internal(anyhow::anyhow!("a token of hex digits")))?;
        let key = key(terms.transfer_id, &token);
        let toll = Toll::new(self.clone(), key.clone(), terms.payload_bytes, true);
        match self.place(&key, terms.payload_bytes).await {
            Ok(_) => Ok(toll),
            // Whether it was taken nobody knows.
            Err(error @ TransferError::Store(_)) => Err(error),
            Err(refused) => {
                toll.forget();
                Err(refused)
            }
        }
    }

    /// Takes a place; before it says that there is none, lapsed leases give theirs back. `None`: without a limit by now.
    async fn place(&self, key: &LeaseKey, payload_bytes: u64) -> Result<Option<Lease>, TransferError> {
        let (times, now) = (self.limits.leases, self.clock.now());
        let mut batches = LAPSED_BATCHES;
        loop {
            let taken = self.metadata.take_lease(key, payload_bytes, now, times).await?;
            let waits_for_lapsed = match &taken {
                Taken::Same(lease) => lease.has_lapsed(now, times),
                Taken::Refused(row) => row.max_downloads > 0 && state::liveness(row, now) == Liveness::Completed,
                Taken::New(_) | Taken::NotFound => false,
            };
            if waits_for_lapsed && batches > 0 {
                // Once more in any case: another server may have ended them.
                batches = if self.end_lapsed_of(key.transfer_id, now).await? { batches - 1 } else { 0 };
                continue;
            }
            return match taken {
                // So many have lapsed that its turn has not come.
                Taken::Same(_) if waits_for_lapsed => Err(TransferError::PlacesTaken),
                Taken::New(lease) | Taken::Same(lease) => Ok(Some(lease)),
                Taken::NotFound => Err(TransferError::NotFound),
                Taken::Refused(row) => {
                    super::check_readable(&row, now)?;
                    if row.max_downloads == 0 { Ok(None) } else { Err(TransferError::PlacesTaken) }
                }
            };
        }
    }

    async fn end_lease(&self, key: &LeaseKey, keep_spent: bool) -> Result<Ended, StoreError> {
        let ended = self.metadata.end_lease(key, keep_spent).await?;
        if ended == Ended::Burnt {
            self.save_count(key.transfer_id);
        }
        Ok(ended)
    }
}

fn key(transfer_id: TransferId, token: &Token) -> LeaseKey {
    LeaseKey { transfer_id, token_hash: token.hash() }
}

fn response(transfer_id: TransferId, payload_bytes: u64, lease: Option<&Lease>) -> LeaseResponse {
    let bytes = |bytes| ByteLen::new(bytes).unwrap_or(ByteLen::MAX);
    LeaseResponse {
        transfer_id,
        limited: lease.is_some(),
        spent: lease.is_some_and(|lease| lease.is_spent),
        payload_bytes: bytes(payload_bytes),
        charged_bytes: bytes(lease.map_or(0, |lease| lease.charged_bytes)),
        ends_at: lease.map(|lease| lease.ends_at),
    }
}
