//! Counts, sizes and durations as people write them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use haulier_wire::number::{MAX_SAFE_INTEGER, parse_decimal};

/// Longest duration: a hundred years, so that no date overflows.
const MAX_SECONDS: u64 = 100 * 366 * 24 * 3600;

/// Reads a whole number.
pub(super) fn count(variable: &str, text: &str, min: u64, max: u64) -> anyhow::Result<u64> {
    parse_decimal(text, min, max).with_context(|| format!("{variable}: not a count"))
}

/// Reads bytes: plain, or with KiB, MiB, GiB or TiB.
pub(super) fn bytes(variable: &str, text: &str) -> anyhow::Result<u64> {
    let factors = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
    let value = with_unit(text, &factors);
    let value = value.with_context(|| format!("{variable}: expected a size such as 64MiB, 10GiB or plain bytes"))?;
    // 8192 TiB is 2^53: the largest number that is exact everywhere is one less.
    ensure!(value <= MAX_SAFE_INTEGER + 1, "{variable}: at most 8192TiB");
    Ok(value.min(MAX_SAFE_INTEGER))
}

/// Reads a duration with s, m, h or d.
pub(super) fn duration(variable: &str, text: &str) -> anyhow::Result<Duration> {
    let seconds = with_unit(text, &[("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)]);
    let seconds = seconds.with_context(|| format!("{variable}: expected a time such as 30s, 10m, 12h or 7d"))?;
    ensure!(seconds <= MAX_SECONDS, "{variable}: at most a hundred years");
    Ok(Duration::from_secs(seconds))
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}
