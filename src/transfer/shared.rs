//! Questions that many ask at once: one is under way at a time, and whoever came before it began shares its answer. So
//! an answer is never older than its question, and a crowd costs what one costs.

use std::time::Instant;

use tokio::sync::Mutex;

/// One question, and its last answer.
#[derive(Debug)]
pub(super) struct Shared<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// Asks, or takes the answer of somebody who began to ask after this was called.
    pub(super) async fn ask(&self, question: impl Future<Output = T>) -> T {
        let came = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((began, answer)) = &*last
            && *began > came
        {
            return answer.clone();
        }
        let began = Instant::now();
        let answer = question.await;
        *last = Some((began, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests;
