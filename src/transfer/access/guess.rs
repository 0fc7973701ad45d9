//! Wrong download tokens, counted by transfer and client: whoever guesses is slowed down, and nobody else.
//!
//! In mode passphrase the token follows from the passphrase, so a token can be guessed here. Counted is what was wrong,
//! under one lock with the comparison: a right token never counts, and requests side by side cannot get past the budget.
//! The counters are this process's own, and a client can do no more to others than to spend its own budget.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use haulier_wire::{TokenHash, TransferId};

use super::{Client, Token, check};
use crate::transfer::TransferError;

/// Wrong tokens that cost nothing.
pub(crate) const FREE_GUESSES: u32 = 10;
/// After these one more try has to wait for so long, then for twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for one more try.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Pairs of a transfer and a client that are remembered; the one that guessed last longest ago is forgotten first.
/// Whoever has more addresses than that gets their free guesses from each anyway.
const MAX_REMEMBERED: usize = 1 << 15;

/// Who has guessed at what.
#[derive(Debug, Default)]
pub struct Guesses {
    remembered: Mutex<Remembered>,
}

type Pair = (TransferId, Client);

#[derive(Debug, Default)]
struct Remembered {
    tries: HashMap<Pair, Tries>,
    /// The same pairs by when they guessed last.
    by_age: BTreeMap<u64, Pair>,
    /// Wrong tokens in all.
    wrong: u64,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    wrong: u32,
    last: Instant,
    age: u64,
}

impl Guesses {
    /// Compares a download token as [`check`] does, unless this client has guessed too often at this transfer.
    ///
    /// # Errors
    /// As [`check`]; [`TransferError::TooManyGuesses`] without having compared.
    pub fn check(
        &self,
        pair: Pair,
        presented: Option<&Token>,
        stored: Option<&TokenHash>,
        now: Instant,
    ) -> Result<(), TransferError> {
        // Nothing to guess, or no guess.
        if stored.is_none() || presented.is_none() {
            return check(presented, stored);
        }
        let mut remembered = self.lock();
        if let Some(tries) = remembered.tries.get(&pair) {
            let retry_after = wait_after(tries.wrong).saturating_sub(now.saturating_duration_since(tries.last));
            if !retry_after.is_zero() {
                return Err(TransferError::TooManyGuesses { retry_after });
            }
        }
        let compared = check(presented, stored);
        if compared.is_err() {
            remembered.count(pair, now);
        }
        compared
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn count(&mut self, pair: Pair, now: Instant) {
        self.wrong += 1;
        let age = self.wrong;
        let tries = self.tries.entry(pair).or_insert(Tries { wrong: 0, last: now, age });
        self.by_age.remove(&tries.age);
        *tries = Tries { wrong: tries.wrong.saturating_add(1), last: now, age };
        self.by_age.insert(age, pair);
        if self.tries.len() > MAX_REMEMBERED
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.tries.remove(&oldest);
        }
    }
}

/// How long the next try has to wait after so many wrong ones.
fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE_GUESSES) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT.saturating_mul(1_u32.checked_shl(more).unwrap_or(u32::MAX)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests;
