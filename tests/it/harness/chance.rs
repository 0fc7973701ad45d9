//! Chances that can be had again: what happens to the third PUT of chunk 7 depends on the seed, not on who was faster.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

/// A source of decisions. The same seed decides the same way.
#[derive(Debug)]
pub(crate) struct Chance {
    seed: u64,
    /// How often was asked about each thing.
    asked: Mutex<BTreeMap<String, u64>>,
}

/// One decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// 0 to 99, all equally likely.
    pub(crate) percent: u8,
    /// Anything, for whatever else is to be decided.
    pub(crate) more: u64,
}

impl Chance {
    /// Prints its seed, which `HAULIER_TEST_SEED` sets.
    pub(crate) fn new(of: &str) -> Arc<Self> {
        let given = std::env::var("HAULIER_TEST_SEED").ok();
        let seed = given.map_or_else(|| RandomState::new().hash_one(of), |seed| seed.parse().expect("a number"));
        println!("{of}: HAULIER_TEST_SEED={seed}");
        Arc::new(Self { seed, asked: Mutex::default() })
    }

    /// Decides about `what`, each time anew.
    pub(crate) fn draw(&self, what: &str) -> Draw {
        let time = {
            let mut asked = self.asked.lock().expect("not poisoned");
            let times = asked.entry(what.to_owned()).or_default();
            *times += 1;
            *times
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_be_bytes()).update(&time.to_be_bytes()).update(what.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        let [first, second] = [&bytes[..8], &bytes[8..]].map(|half| u64::from_be_bytes(half.try_into().expect("8")));
        Draw { percent: u8::try_from(first % 100).expect("below 100"), more: second }
    }
}
