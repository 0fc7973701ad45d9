//! The two things that a library must not take from the air: the time and random bytes.

use std::sync::{Arc, Mutex, PoisonError};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use haulier_wire::Timestamp;
use rand_core::CryptoRng;

/// The clock and the random source of one send or get. Cheap to clone; clones share the random source.
#[derive(Clone)]
pub struct Ambient {
    rng: Arc<Mutex<dyn CryptoRng + Send>>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for Ambient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ambient(..)")
    }
}

impl Ambient {
    /// The system's random source and clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the client's one reader of the clock; tests pass their own")]
    pub fn system() -> Self {
        Self::new(UnwrapErr(SysRng), Timestamp::now)
    }

    /// A random source and a clock of the caller's choice. Keys come from `rng`: it must be a cryptographic one.
    pub fn new(rng: impl CryptoRng + Send + 'static, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { rng: Arc::new(Mutex::new(rng)), now: Arc::new(now) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Runs `use_rng` with the random source; callers wait for each other.
    pub fn with_rng<T>(&self, use_rng: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        // A poisoned lock means that a caller panicked; the source itself has no state that could be half changed.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        use_rng(&mut *rng)
    }

    /// 32 random bytes.
    pub(crate) fn random_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        self.with_rng(|rng| rng.fill_bytes(&mut key));
        key
    }

    /// 64 random bits, for jitter.
    pub(crate) fn random_u64(&self) -> u64 {
        self.with_rng(|rng| rng.next_u64())
    }
}
