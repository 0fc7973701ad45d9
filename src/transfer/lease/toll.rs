//! What a body pays before its bytes leave.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use haulier_wire::{Timestamp, TransferId};

use super::super::{TransferError, Transfers};
use crate::blob::ByteStream;
use crate::metadata::{Charged, Ended, LeaseKey, LeaseTimes, StoredState};
use crate::store::StoreError;

/// Least bytes that are paid at a time.
const MIN_STEP_BYTES: u64 = 1 << 20;
/// A payload is paid in so many steps, if they are not smaller than that.
const STEPS: u64 = 16;
/// While bytes leave that are paid, the lease is kept from ending so often, or twice within the time that it lasts.
pub(super) const KEPT_EVERY: Duration = Duration::from_secs(60);

/// Goes with a body, and lets its bytes leave. Dropped, it takes what is paid and has not left off the lease again, and ends
/// the lease that the body took for itself.
#[derive(Debug)]
pub struct Toll(Option<Box<Paying>>);

#[derive(Debug)]
struct Paying {
    transfers: Transfers,
    key: LeaseKey,
    step: u64,
    kept_every: Duration,
    is_own: bool,
    /// Bytes that are paid and have not left.
    paid: u64,
    paid_at: Timestamp,
    /// All is paid, and what was paid has been counted: nothing is taken off any more.
    is_settled: bool,
}

impl Toll {
    /// Everything may leave.
    #[must_use]
    pub const fn free() -> Self {
        Self(None)
    }

    pub(super) fn new(transfers: Transfers, key: LeaseKey, payload_bytes: u64, is_own: bool) -> Self {
        let step = payload_bytes.div_ceil(STEPS).max(MIN_STEP_BYTES);
        let kept_every = KEPT_EVERY.min(transfers.lease_times(is_own).idle / 2);
        let paid_at = transfers.clock.now();
        Self(Some(Box::new(Paying { transfers, key, step, kept_every, is_own, paid: 0, paid_at, is_settled: false })))
    }

    /// There is no lease to be ended.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }

    /// Says how many of the next `rest` bytes, which are all that is left of the body, may leave: at least one, unless
    /// `rest` is 0. Pays when need be.
    ///
    /// # Errors
    /// [`TransferError::LeaseEnded`] and [`TransferError::LeaseUsedUp`]; then nothing more may leave.
    pub async fn pay(&mut self, rest: u64) -> Result<u64, TransferError> {
        let Some(paying) = &mut self.0 else { return Ok(rest) };
        if paying.paid == 0 {
            let bytes = paying.step.min(rest);
            paying.charge(bytes, bytes == rest).await?;
            paying.paid = bytes;
        } else if paying.is_due() {
            paying.charge(0, false).await?;
        }
        Ok(paying.paid.min(rest))
    }

    /// Notes that bytes have left.
    pub fn passed(&mut self, bytes: u64) {
        if let Some(paying) = &mut self.0 {
            paying.paid = paying.paid.saturating_sub(bytes);
        }
    }

    /// Has each piece of a body of `len` bytes pay before it comes out.
    #[must_use]
    pub fn over(self, bytes: ByteStream, len: u64) -> ByteStream {
        if self.0.is_none() {
            return bytes;
        }
        let state = Some((self, bytes, Bytes::new(), len));
        stream::unfold(state, |state| async {
            let (mut toll, mut bytes, mut piece, rest) = state?;
            while piece.is_empty() {
                match bytes.next().await? {
                    Ok(next) => piece = next,
                    Err(error) => return Some((Err(error), None)),
                }
            }
            match toll.pay(rest.max(piece.len() as u64)).await {
                Ok(paid) => {
                    let len = usize::try_from(paid).unwrap_or(usize::MAX).min(piece.len());
                    let leaves = piece.split_to(len);
                    toll.passed(len as u64);
                    Some((Ok(leaves), Some((toll, bytes, piece, rest.saturating_sub(len as u64)))))
                }
                Err(error) => Some((Err(io::Error::other(error)), None)),
            }
        })
        .boxed()
    }
}

impl Paying {
    /// A clock that went back has paid in the future.
    fn is_due(&self) -> bool {
        let since = self.transfers.clock.now().duration_since(self.paid_at);
        since.is_negative() || since.unsigned_abs() >= self.kept_every
    }

    /// In a task of its own: what is charged is noted everywhere, also if the client goes away meanwhile.
    ///
    /// A lease of the body's own that stays unspent gives its place back with the last step, and not after it: whoever has
    /// all of an answer may ask for the next part, and must find the place free. The lease itself stays until the body is
    /// gone, and keeps the bytes from being swept.
    async fn charge(&mut self, bytes: u64, is_last: bool) -> Result<(), TransferError> {
        let (transfers, key) = (self.transfers.clone(), self.key.clone());
        self.paid_at = transfers.clock.now();
        let releases = self.is_own && is_last;
        let times = transfers.lease_times(self.is_own);
        let charged = tokio::spawn(async move { transfers.charge(&key, bytes, times, releases).await });
        self.is_settled |= charged.await.map_err(StoreError::unavailable)??;
        Ok(())
    }
}

impl Transfers {
    /// Whether nothing of it is to be given back: the place was released, or there was nothing to pay.
    async fn charge(
        &self,
        key: &LeaseKey,
        bytes: u64,
        times: LeaseTimes,
        releases: bool,
    ) -> Result<bool, TransferError> {
        let charged = self.metadata.charge_lease(key, bytes, self.clock.now(), times).await?;
        match charged {
            Charged::Charged { spends: true } => self.save_count(key.transfer_id),
            Charged::Charged { spends: false } | Charged::Free => {}
            Charged::UsedUp => return Err(TransferError::LeaseUsedUp),
            Charged::Ended => return Err(TransferError::LeaseEnded),
        }
        if releases && self.metadata.release_place(key).await? == Ended::Burnt {
            self.save_count(key.transfer_id);
        }
        Ok(releases || matches!(charged, Charged::Free))
    }

    /// A reader whose connection breaks again and again must not pay for bytes that never left.
    async fn refund(&self, key: &LeaseKey, bytes: u64) {
        if let Err(error) = self.metadata.refund_lease(key, bytes).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(transfer.id = %key.transfer_id, error, "bytes that did not leave stay charged");
        }
    }

    /// If that was the last place, its bytes can go; a sweep looks at more than one transfer. It comes by itself where the
    /// database cannot say.
    async fn sweep_if_exhausted(&self, id: TransferId) {
        self.count_saved(id).await;
        let row = self.metadata.transfer(id).await.ok().flatten();
        if row.is_some_and(|row| row.state == StoredState::Exhausted) {
            self.sweep_due.notify_one();
        }
    }

    /// What cannot be ended lapses.
    async fn end_own(&self, key: &LeaseKey) {
        // A place that is not spent is free at once. A spent lease stays until its count is written: it keeps the sweep away.
        let mut ended = self.end_lease(key, true).await;
        if matches!(ended, Ok(Ended::Spent)) {
            self.count_saved(key.transfer_id).await;
            ended = self.end_lease(key, false).await;
        }
        match ended {
            Ok(Ended::Spent | Ended::Burnt) => self.sweep_if_exhausted(key.transfer_id).await,
            Ok(Ended::GivenBack | Ended::Unknown) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(transfer.id = %key.transfer_id, error, "a lease was not given back: it ends by itself");
            }
        }
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        let Some(paying) = self.0.take() else { return };
        let Paying { transfers, key, paid, is_own, is_settled, .. } = *paying;
        let refunds = paid > 0 && !is_settled;
        if is_own || refunds {
            transfers.runtime.clone().spawn(async move {
                if refunds {
                    transfers.refund(&key, paid).await;
                }
                if is_own {
                    transfers.end_own(&key).await;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
