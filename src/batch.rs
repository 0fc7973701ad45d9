//! Group commit: while one batch is being committed, the next one gathers.
//!
//! A batch is whatever arrived during the last commit. Where commits are slow, those who were answered together get a
//! moment to come back together, or each would sit out half of a commit first. Who was alone in a commit never waits for
//! company.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// The part of a commit's time that the next one waits for those whom it answered.
const PAUSE_PART: u32 = 4;
/// A shorter pause than the clock can measure would only cost time: commits on fast disks follow each other at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// A commit that waited for a database to come back says nothing about the next one.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Hands items to one worker that commits many at once.
#[derive(Debug)]
pub struct Batcher<T, R> {
    sender: mpsc::Sender<(T, oneshot::Sender<Result<R, BatchError>>)>,
}

/// Why an item got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The worker is gone: the process is shutting down.
    #[error("the server is shutting down")]
    Stopped,
    /// Its batch ended in a panic; nobody knows how far it came. The next batch is another one.
    #[error("the batch ended in a panic")]
    Panicked,
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Starts the worker on the present runtime; it ends when the batcher is dropped.
    ///
    /// `commit` gets 1 to `max_items` items and answers each, in order. It may be called again after it panicked, so it
    /// must not leave anything half done in what it captures.
    pub fn spawn<F, Fut>(max_items: usize, mut commit: F) -> Self
    where
        F: FnMut(Vec<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<R>> + Send,
    {
        let (sender, mut receiver) = mpsc::channel::<(T, oneshot::Sender<_>)>(max_items);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(max_items);
            let mut company = None;
            while receiver.recv_many(&mut waiting, max_items).await > 0 {
                if let Some(company) = company.take() {
                    gather(&mut receiver, &mut waiting, max_items, company).await;
                }
                let begun = Instant::now();
                let (items, answers): (Vec<T>, Vec<_>) = waiting.drain(..).unzip();
                let count = items.len();
                let work = AssertUnwindSafe(async { commit(items).await }).catch_unwind();
                let results = work.await.ok().filter(|results| results.len() == count);
                if results.is_none() {
                    // One damaged row must not keep every other upload from being recorded.
                    tracing::error!(items = count, "a batch ended in a panic; its items are answered with an error");
                }
                company = Company::expected(begun, count, receiver.len());
                let mut results = results.into_iter().flatten().map(Ok);
                for answer in answers {
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = answer.send(results.next().unwrap_or(Err(BatchError::Panicked)));
                }
            }
        });
        Self { sender }
    }

    /// Commits one item together with whatever else is waiting.
    ///
    /// # Errors
    /// When the worker is gone, or did not survive this batch.
    pub async fn submit(&self, item: T) -> Result<R, BatchError> {
        let (answer, result) = oneshot::channel();
        self.sender.send((item, answer)).await.map_err(|_| BatchError::Stopped)?;
        result.await.unwrap_or(Err(BatchError::Stopped))
    }
}

/// Who may come back soon after a commit.
#[derive(Clone, Copy, Debug)]
struct Company {
    until: Instant,
    /// Everybody who was answered, and those who were waiting by then.
    items: usize,
}

impl Company {
    fn expected(begun: Instant, answered: usize, waiting: usize) -> Option<Self> {
        let now = Instant::now();
        let pause = ((now - begun) / PAUSE_PART).min(LONGEST_PAUSE);
        (answered > 1 && pause >= SHORTEST_PAUSE).then(|| Self { until: now + pause, items: answered + waiting })
    }
}

/// Takes whatever arrives until the company is complete or its time is over.
async fn gather<T>(receiver: &mut mpsc::Receiver<T>, waiting: &mut Vec<T>, max_items: usize, company: Company) {
    let items = company.items.min(max_items);
    let complete =
        async { while waiting.len() < items && receiver.recv_many(waiting, max_items - waiting.len()).await > 0 {} };
    let _ = timeout_at(company.until, complete).await;
}

#[cfg(test)]
mod tests;
