//! When a server's certificate ends: the one thing that is read out of it here. Whether it is to be trusted was decided
//! by the TLS library before.

use haulier_wire::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads notAfter out of an X.509 certificate in DER; `None` if it is not where RFC 5280 §4.1 puts it.
pub(super) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = content(der, SEQUENCE)?;
    let (mut rest, _) = content(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // Serial number, signature algorithm, issuer; then the two ends of its validity.
    for _ in 0..3 {
        rest = skip(rest)?;
    }
    let (validity, _) = content(rest, SEQUENCE)?;
    let end = skip(validity)?;
    let tag = *end.first()?;
    let (text, _) = content(end, tag)?;
    let text = std::str::from_utf8(text).ok()?;
    match tag {
        // RFC 5280 §4.1.2.5.1: from 50 on it is the last century.
        UTC_TIME => time(if text.get(..2)? < "50" { format!("20{text}") } else { format!("19{text}") }.as_str()),
        GENERALIZED_TIME => time(text),
        _ => None,
    }
}

/// Reads `20261121162632Z`.
fn time(text: &str) -> Option<Timestamp> {
    if text.len() != 15 || !text.ends_with('Z') {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

/// Splits an element of this tag into its content and what follows.
fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (len.iter().fold(0_usize, |len, byte| (len << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(len))?
}

fn skip(der: &[u8]) -> Option<&[u8]> {
    content(der, *der.first()?).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests;
