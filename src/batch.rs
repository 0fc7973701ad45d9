//! Group commit: while one batch is being committed, the next one gathers.
//!
//! A batch is whatever arrived during the last commit. No timer, so that a single caller never waits for company.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

/// Hands items to one worker that commits many at once.
#[derive(Debug)]
pub struct Batcher<T, R> {
    sender: mpsc::Sender<(T, oneshot::Sender<R>)>,
}

/// The worker is gone: the process is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is shutting down")]
pub struct Stopped;

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Starts the worker on the present runtime; it ends when the batcher is dropped.
    ///
    /// `commit` gets 1 to `max_items` items and answers each, in order.
    pub fn spawn<F, Fut>(max_items: usize, mut commit: F) -> Self
    where
        F: FnMut(Vec<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<R>> + Send,
    {
        let (sender, mut receiver) = mpsc::channel::<(T, oneshot::Sender<R>)>(max_items);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(max_items);
            while receiver.recv_many(&mut waiting, max_items).await > 0 {
                let (items, answers): (Vec<T>, Vec<_>) = waiting.drain(..).unzip();
                let results = commit(items).await;
                debug_assert_eq!(results.len(), answers.len(), "a batch answers every item");
                for (answer, result) in answers.into_iter().zip(results) {
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = answer.send(result);
                }
            }
        });
        Self { sender }
    }

    /// Commits one item together with whatever else is waiting.
    ///
    /// # Errors
    /// [`Stopped`] when the worker is gone.
    pub async fn submit(&self, item: T) -> Result<R, Stopped> {
        let (answer, result) = oneshot::channel();
        self.sender.send((item, answer)).await.map_err(|_| Stopped)?;
        result.await.map_err(|_| Stopped)
    }
}

#[cfg(test)]
mod tests;
