//! Group commit: while one batch is being committed, the next one gathers.
//!
//! A batch is whatever arrived during the last commit. No timer, so that a single caller never waits for company.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

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
            while receiver.recv_many(&mut waiting, max_items).await > 0 {
                let (items, answers): (Vec<T>, Vec<_>) = waiting.drain(..).unzip();
                let count = items.len();
                let work = AssertUnwindSafe(async { commit(items).await }).catch_unwind();
                let results = work.await.ok().filter(|results| results.len() == count);
                if results.is_none() {
                    // One damaged row must not keep every other upload from being recorded.
                    tracing::error!(items = count, "a batch ended in a panic; its items are answered with an error");
                }
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

#[cfg(test)]
mod tests;
