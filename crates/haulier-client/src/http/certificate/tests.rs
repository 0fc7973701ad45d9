//! Ends of certificates as OpenSSL writes them, in both notations.

use haulier_wire::encoding::from_base64url;

use super::*;

/// Until 2049 in two digits of the year.
const UNTIL_2049: &str = "MIG-MHICAQEwBQYDK2VwMAwxCjAIBgNVBAMMAWEwHhcNMjAwMTAxMDAwMDAwWhcNNDkxMjMxMjM1OTU4WjAMMQowCAYDVQQDDAFhMCowBQYDK2VwAyEANpQOV4EvobTfwmK5dDLZQAktX1461LkkQv2bvjmzaH0wBQYDK2VwA0EADpN2w38eimpPmHoTxFAza3AGTvlRuWVupYeMvsCT0912RA4Kjsb0tCHNFCciFTdhsNixNXznQWUAfHtm9uU5AA";
/// From 2050 on in four.
const UNTIL_2051: &str = "MIHAMHQCAQEwBQYDK2VwMAwxCjAIBgNVBAMMAWEwIBcNMjAwMTAxMDAwMDAwWhgPMjA1MTAyMDMwNDA1MDZaMAwxCjAIBgNVBAMMAWEwKjAFBgMrZXADIQA2lA5XgS-htN_CYrl0MtlACS1fXjrUuSRC_Zu-ObNofTAFBgMrZXADQQCjWugiR9k0kWHRrMcyAPq-lgQ-_mJewOeEjHPD_HaG0ycTHPj-phuLUgUoEumzfTqvwlk74vWJR_dRhiHQjvkN";

#[test]
fn the_end_is_read_in_both_notations() {
    for (text, end) in [(UNTIL_2049, "2049-12-31T23:59:58Z"), (UNTIL_2051, "2051-02-03T04:05:06Z")] {
        let der = from_base64url(text).unwrap();
        assert_eq!(not_after(&der), Some(end.parse().unwrap()));
    }
}

#[test]
fn what_is_no_certificate_has_no_end() {
    let der = from_base64url(UNTIL_2049).unwrap();
    for len in 0..der.len() {
        assert_eq!(not_after(&der[..len]), None, "{len} bytes");
    }
    assert_eq!(not_after(b"-----BEGIN CERTIFICATE-----"), None);
    assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
}
