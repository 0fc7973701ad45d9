//! The nonce layout: iv = prefix (8) || big-endian u32(index) (docs/FORMAT.md, "Nonce").

use haulier_wire::ChunkIndex;
use haulier_wire::encoding::to_hex;
use haulier_wire::kind::IvStrategy;
use rand_core::CryptoRng;

use crate::error::Error;

/// Bytes of an iv.
pub const IV_LEN: usize = 12;
/// Bytes of the prefix.
pub const PREFIX_LEN: usize = 8;

/// The first 8 bytes of every iv of one transfer: zero in SEED transfers, random and not zero in FULL ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoncePrefix([u8; PREFIX_LEN]);

impl NoncePrefix {
    /// The zero prefix of SEED transfers. For reading: no public function seals under it.
    #[must_use]
    pub fn seed() -> Self {
        Self([0; PREFIX_LEN])
    }

    /// Draws a prefix that is not all zero.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; PREFIX_LEN];
        // Zero comes up once in 2^64 draws, unless the source is broken; then this does not end, and nothing is sealed.
        while bytes == [0; PREFIX_LEN] {
            rng.fill_bytes(&mut bytes);
        }
        Self(bytes)
    }

    /// Takes the prefix of a FULL transfer.
    ///
    /// # Errors
    /// [`Error::ZeroPrefix`] when every byte is zero.
    pub fn random_from_bytes(bytes: [u8; PREFIX_LEN]) -> Result<Self, Error> {
        if bytes == [0; PREFIX_LEN] { Err(Error::ZeroPrefix) } else { Ok(Self(bytes)) }
    }

    /// The 8 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PREFIX_LEN] {
        &self.0
    }

    /// The 8 bytes as 16 lowercase hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }

    /// The manifest's iv_strategy that goes with this prefix.
    #[must_use]
    pub fn iv_strategy(&self) -> IvStrategy {
        if *self == Self::seed() { IvStrategy::Counter } else { IvStrategy::PrefixCounter }
    }

    /// The iv of chunk `index`.
    #[must_use]
    pub fn iv(&self, index: ChunkIndex) -> [u8; IV_LEN] {
        let mut iv = [0; IV_LEN];
        iv[..PREFIX_LEN].copy_from_slice(&self.0);
        iv[PREFIX_LEN..].copy_from_slice(&index.get().to_be_bytes());
        iv
    }
}
