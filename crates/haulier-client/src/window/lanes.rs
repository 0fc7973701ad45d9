//! How many connections may carry chunks at once: fewer when they break, more again when chunks arrive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hands out lanes, at most as many as the network bears.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    free: Arc<Semaphore>,
    count: Arc<Mutex<Count>>,
}

#[derive(Debug)]
struct Count {
    most: usize,
    now: usize,
    /// Lanes in use beyond `now`: not handed out again when they come back.
    surplus: usize,
    /// Deliveries since the last change.
    delivered: usize,
    /// How often the number was halved: connections that broke together count once.
    round: u64,
}

impl Lanes {
    /// All `most` lanes are open at first.
    pub(super) fn new(most: usize) -> Self {
        let count = Count { most, now: most, surplus: 0, delivered: 0, round: 0 };
        Self { free: Arc::new(Semaphore::new(most)), count: Arc::new(Mutex::new(count)) }
    }

    /// Waits, in order of arrival, for a lane.
    pub(super) async fn enter(&self) -> Lane {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let round = self.count().round;
        Lane { lanes: self.clone(), permit, round }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have one connection busy with a chunk, for one try.
#[derive(Debug)]
pub(crate) struct Lane {
    lanes: Lanes,
    permit: Option<OwnedSemaphorePermit>,
    round: u64,
}

impl Lane {
    /// Notes that the chunk got through: one lane more for each full round of these.
    pub(crate) fn delivered(self) {
        let mut count = self.lanes.count();
        count.delivered += 1;
        if count.now < count.most && count.delivered >= count.now {
            count.delivered = 0;
            count.now += 1;
            if count.surplus > 0 {
                count.surplus -= 1;
            } else {
                self.lanes.free.add_permits(1);
            }
        }
    }

    /// Notes that the connection broke: half as many lanes, but at least one, until chunks get through again.
    pub(crate) fn broken(self) {
        let mut count = self.lanes.count();
        // What broke at the same time was under way when the number was halved, and says nothing about the new one.
        if self.round != count.round {
            return;
        }
        let fewer = (count.now / 2).max(1);
        let closed = count.now - fewer;
        count.surplus += closed - self.lanes.free.forget_permits(closed);
        count.now = fewer;
        count.delivered = 0;
        count.round += 1;
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut count = self.lanes.count();
        if count.surplus > 0 {
            count.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}
