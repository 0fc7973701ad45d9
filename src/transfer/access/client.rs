//! Who a request comes from, as far as the server wants to know: a keyed hash, never an address.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::entropy::Entropy;

/// How long one key serves: what is counted of a client begins anew with the next.
const KEY_LASTS_SECONDS: i64 = 24 * 3600;

/// Somebody at one IPv4 address, or in one /64 of IPv6. Means nothing to another process, and nothing after a day.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client([u8; 16]);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// Turns addresses into clients, under a key that nobody has seen and that is gone after a day.
#[derive(Debug)]
pub struct Clients {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    key: Mutex<Option<Key>>,
}

/// The key of one day.
struct Key {
    day: i64,
    bytes: [u8; 32],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("day", &self.day).finish_non_exhaustive()
    }
}

impl Clients {
    /// Draws its keys from `entropy`, by the days of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, key: Mutex::new(None) }
    }

    /// Who is at an address. The address itself goes nowhere.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Client {
        let hash = blake3::keyed_hash(&self.key_of_today(), &network(address));
        let mut half = [0; 16];
        half.copy_from_slice(&hash.as_bytes()[..16]);
        Client(half)
    }

    fn key_of_today(&self) -> [u8; 32] {
        let day = self.clock.now().as_second().div_euclid(KEY_LASTS_SECONDS);
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that jumps back draws a new one as well: no key is kept for later.
        if let Some(key) = &*key
            && key.day == day
        {
            return key.bytes;
        }
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.entropy.bytes());
        bytes[16..].copy_from_slice(&self.entropy.bytes());
        *key = Some(Key { day, bytes });
        bytes
    }
}

/// What is one client's: a whole IPv4 address, written either way, or half of an IPv6 address. Whoever has one IPv6
/// address has the 2^64 beside it.
fn network(address: IpAddr) -> [u8; 9] {
    let mut network = [0; 9];
    match address.to_canonical() {
        IpAddr::V4(address) => network[1..5].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => {
            network[0] = 6;
            network[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    network
}

#[cfg(test)]
mod tests;
