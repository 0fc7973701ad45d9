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
/// Whoever has more addresses than that gets their free guesses from each anyway, again and again.
const MAX_REMEMBERED: usize = 1 << 15;
/// Longest wait for a client whose wrong tokens for many transfers count together: others may have its address, and other
/// transfers.
const LONGEST_SHARED_WAIT: Duration = Duration::from_secs(60);
/// Pairs of one client; its wrong tokens for further transfers count together, so that it cannot have others forgotten.
const MAX_OF_CLIENT: u32 = 16;

/// Who has guessed at what.
#[derive(Debug, Default)]
pub struct Guesses {
    remembered: Mutex<Remembered>,
}

/// A transfer, or all that came after too many, and who guesses.
type Counted = (Option<TransferId>, Client);

#[derive(Debug, Default)]
struct Remembered {
    tries: HashMap<Counted, Tries>,
    /// The same by when they guessed last.
    by_age: BTreeMap<u64, Counted>,
    /// How many of them each client has.
    of_client: HashMap<Client, u32>,
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
        pair: (TransferId, Client),
        presented: Option<&Token>,
        stored: Option<&TokenHash>,
        now: Instant,
    ) -> Result<(), TransferError> {
        // Nothing to guess, or no guess.
        if stored.is_none() || presented.is_none() {
            return check(presented, stored);
        }
        let mut remembered = self.lock();
        let counted = remembered.counted(pair);
        if let Some(tries) = remembered.tries.get(&counted) {
            let longest = if counted.0.is_some() { LONGEST_WAIT } else { LONGEST_SHARED_WAIT };
            let wait = wait_after(tries.wrong).min(longest);
            let retry_after = wait.saturating_sub(now.saturating_duration_since(tries.last));
            if !retry_after.is_zero() {
                return Err(TransferError::TooManyGuesses { retry_after });
            }
        }
        let compared = check(presented, stored);
        if compared.is_err() {
            remembered.count(counted, now);
        }
        compared
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn counted(&self, (transfer, client): (TransferId, Client)) -> Counted {
        let has_too_many = self.of_client.get(&client).is_some_and(|pairs| *pairs >= MAX_OF_CLIENT);
        let is_new = !self.tries.contains_key(&(Some(transfer), client));
        ((!(has_too_many && is_new)).then_some(transfer), client)
    }

    fn count(&mut self, counted: Counted, now: Instant) {
        self.wrong += 1;
        let age = self.wrong;
        let known = self.tries.get(&counted).copied();
        match known {
            Some(tries) => drop(self.by_age.remove(&tries.age)),
            None => *self.of_client.entry(counted.1).or_insert(0) += 1,
        }
        let wrong = known.map_or(0, |tries| tries.wrong).saturating_add(1);
        self.tries.insert(counted, Tries { wrong, last: now, age });
        self.by_age.insert(age, counted);
        if self.tries.len() > MAX_REMEMBERED {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.by_age.pop_first() else { return };
        self.tries.remove(&oldest);
        if let Some(pairs) = self.of_client.get_mut(&oldest.1) {
            *pairs -= 1;
            if *pairs == 0 {
                self.of_client.remove(&oldest.1);
            }
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
