//! Which texts are networks, and what is in them.

use super::*;

#[test]
fn what_is_in_a_network() {
    for (network, inside, outside) in [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.77/24", "192.0.2.1", "192.0.1.255"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.1/32", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.0"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("10.0.0.0/9", "10.127.255.255", "10.128.0.0"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("::1", "::1", "::2"),
        ("::/0", "ffff::", "127.0.0.1"),
    ] {
        let parsed = Network::parse(network).unwrap_or_else(|| panic!("{network} is a network"));
        assert!(parsed.contains(inside.parse().expect("an address")), "{inside} is in {network}");
        assert!(!parsed.contains(outside.parse().expect("an address")), "{outside} is not in {network}");
    }
}

#[test]
fn what_is_no_network() {
    for text in [
        "x",
        "192.0.2",
        "192.0.2.0/33",
        "192.0.2.0/",
        "192.0.2.0/-1",
        "192.0.2.0/08",
        "::/129",
        "::ffff:10.0.0.0/95",
        "[::1]",
        "1.2.3.4:5",
    ] {
        assert!(Network::parse(text).is_none(), "{text}");
        assert!(list("NAME", Some(text)).expect_err("refused").to_string().starts_with("NAME: "));
    }
}

#[test]
fn a_list_has_commas_and_an_end() {
    assert!(list("NAME", None).expect("fine").is_empty());
    assert!(list("NAME", Some("")).expect("fine").is_empty());
    assert_eq!(list("NAME", Some(" 10.0.0.0/8, ::1,")).expect("fine").len(), 2);
    let most = ["::1"; MAX_NETWORKS].join(",");
    assert_eq!(list("NAME", Some(&most)).expect("fine").len(), MAX_NETWORKS);
    assert!(list("NAME", Some(&format!("{most},::1"))).is_err());
}
