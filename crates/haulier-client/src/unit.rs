//! Sizes and spans of time in the units in which a person reads them.

/// `1.25 MiB`; a size in the unit in which it is easily read.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (bytes.checked_ilog2().unwrap_or(0) / 10).min(5);
    let unit = UNITS[power as usize];
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    if tenths.is_multiple_of(10) {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// `90 s`, `5 min`, `12 h`, `7 days`: the largest unit that loses little.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
