//! Networks as people write them: an address, or an address and how many of its bits count.

use std::net::IpAddr;

use anyhow::{Context as _, ensure};
use haulier_wire::number::parse_decimal;

/// Most networks in one list.
const MAX_NETWORKS: usize = 256;

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, `::ffff:192.0.2.0/120` or one address.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let all: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => u8::try_from(parse_decimal(bits, 0, all.into()).ok()?).ok()?,
            None => all,
        };
        // One that is written as IPv6 would be in the list and never match.
        match address.to_canonical() {
            canonical if canonical == address => Some(Self { address, bits }),
            canonical => Some(Self { address: canonical, bits: bits.checked_sub(96)? }),
        }
    }

    /// Whether an address is in it. An IPv4 address that is written as IPv6 is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = u128::from(network.to_bits() ^ address.to_bits());
                self.ignores(differs, 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => self.ignores(network.to_bits() ^ address.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether the bits in which two addresses of `all` bits differ lie behind those that count.
    fn ignores(&self, differs: u128, all: u8) -> bool {
        differs.checked_shr(u32::from(all - self.bits)).unwrap_or(0) == 0
    }
}

/// Reads a list with commas; nothing is no network.
pub(super) fn list(variable: &str, text: Option<&str>) -> anyhow::Result<Vec<Network>> {
    let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    let parse = |part| {
        Network::parse(part).with_context(|| format!("{variable}: expected networks such as 10.0.0.0/8,2001:db8::/32"))
    };
    let networks = parts.map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(networks.len() <= MAX_NETWORKS, "{variable}: at most {MAX_NETWORKS} networks");
    Ok(networks)
}

#[cfg(test)]
mod tests;
