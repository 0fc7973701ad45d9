//! Codes of both databases, and what they mean here.

use super::*;

#[test]
fn codes_tell_a_full_disk_and_an_outage_from_a_fault() {
    for (code, expected) in
        [("13", Kind::Full), ("5", Kind::Unavailable), ("11", Kind::Internal), ("1555", Kind::Internal)]
    {
        assert_eq!(sqlite(code), expected, "{code}");
    }
    for (code, expected) in [
        ("53100", Kind::Full),
        ("53200", Kind::Unavailable),
        ("53300", Kind::Unavailable),
        ("40001", Kind::Unavailable),
        ("40P01", Kind::Unavailable),
        ("25006", Kind::Unavailable),
        ("57P01", Kind::Unavailable),
        ("57P03", Kind::Unavailable),
        ("57P04", Kind::Internal),
        ("08006", Kind::Unavailable),
        ("28P01", Kind::Unavailable),
        ("23505", Kind::Internal),
        ("42P01", Kind::Internal),
        ("XX001", Kind::Internal),
    ] {
        assert_eq!(postgres(code), expected, "{code}");
    }
    assert_eq!(kind(&sqlx::Error::PoolTimedOut), Kind::Unavailable);
    assert_eq!(kind(&sqlx::Error::RowNotFound), Kind::Internal);
}
