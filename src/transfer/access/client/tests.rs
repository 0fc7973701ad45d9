//! Which addresses are one client, and for how long.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use haulier_wire::Timestamp;

use super::*;

#[derive(Debug, Default)]
struct Seconds(AtomicI64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("in range")
    }
}

#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn bytes(&self) -> [u8; 16] {
        [self.0.fetch_add(1, Ordering::Relaxed); 16]
    }
}

fn clients() -> (Clients, Arc<Seconds>) {
    let clock = Arc::new(Seconds(AtomicI64::new(1_800_000_000)));
    (Clients::new(Arc::clone(&clock) as _, Arc::new(Counting::default())), clock)
}

fn at(clients: &Clients, address: &str) -> Client {
    clients.at(address.parse().expect("an address"))
}

#[test]
fn one_address_or_one_half_of_an_address_is_one_client() {
    let (clients, _) = clients();
    for (one, other, is_same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "192.0.3.1", false),
        ("2001:db8::1", "2001:db8::2", true),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("0.0.0.0", "::", false),
        // The first four bytes of one are those of the other.
        ("32.1.13.184", "2001:db8::", false),
    ] {
        assert_eq!(at(&clients, one) == at(&clients, other), is_same, "{one} {other}");
    }
}

#[test]
fn a_client_is_known_for_a_day_and_by_one_process() {
    let (clients, clock) = clients();
    let today = at(&clients, "192.0.2.1");
    let midnight = (1_800_000_000 / KEY_LASTS_SECONDS + 1) * KEY_LASTS_SECONDS;
    clock.0.store(midnight - 1, Ordering::Relaxed);
    assert_eq!(at(&clients, "192.0.2.1"), today);
    clock.0.store(midnight, Ordering::Relaxed);
    let tomorrow = at(&clients, "192.0.2.1");
    assert_ne!(tomorrow, today);
    clock.0.store(midnight - 1, Ordering::Relaxed);
    let back = at(&clients, "192.0.2.1");
    assert!(back != today && back != tomorrow, "no key comes back");
}

#[test]
fn nothing_of_an_address_or_a_key_is_shown() {
    let (clients, _) = clients();
    let client = at(&clients, "192.0.2.1");
    assert_eq!(format!("{client:?}"), "Client(..)");
    assert!(!format!("{clients:?}").contains("bytes"), "{clients:?}");
}
