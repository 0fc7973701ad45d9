//! Bytes in words.

use super::bytes;

#[test]
fn bytes_have_the_unit_that_fits() {
    for (number, text) in [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1023.9 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (1 << 40, "1.0 TiB"),
        (3 << 50, "3.0 PiB"),
        ((1 << 53) - 1, "7.9 PiB"),
        (u64::MAX / 10, "1638.3 PiB"),
    ] {
        assert_eq!(bytes(number), text, "{number}");
    }
}
