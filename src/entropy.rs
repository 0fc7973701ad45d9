//! The only source of randomness: ids that the server makes are handed their bytes.

use std::fmt::Debug;

/// Makes random bytes.
pub trait Entropy: Debug + Send + Sync {
    /// 16 bytes that nobody can predict.
    fn bytes(&self) -> [u8; 16];
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws random bytes")]
    fn bytes(&self) -> [u8; 16] {
        // Version 4 fixes 6 of the 128 bits; nobody checks them, and 122 are enough for an id.
        uuid::Uuid::new_v4().into_bytes()
    }
}
