//! A random source for tests: consecutive bytes, the same everywhere.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

pub(crate) struct CountingRng(u8);

impl CountingRng {
    pub(crate) fn new(start: u8) -> Self {
        Self(start)
    }
}

impl TryRng for CountingRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for CountingRng {}
