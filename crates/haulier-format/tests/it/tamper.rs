//! Nothing that a server, or anyone without the key, does to chunks passes.

use haulier_format::{ChunkContext, ChunkOpener, Error, FileKey, KeyMode, LinkKey, LinkMode, NoncePrefix, TransferId};
use proptest::prelude::*;

use crate::support::{CHUNK, Sent, index, layout, send};

fn opens(sent: &Sent, number: usize, sealed: &[u8]) -> bool {
    let result = sent.open().opener().open_in_place(index(number), &mut sealed.to_vec()).map(|_| ());
    assert!(matches!(result, Ok(()) | Err(Error::Open)), "one opaque error");
    result.is_ok()
}

#[test]
fn any_flipped_bit_of_a_small_chunk_fails() {
    for size in [0, 1, 5] {
        let sent = send(40 + size, KeyMode::Link, size);
        assert!(opens(&sent, 0, &sent.chunks[0]));
        for bit in 0..sent.chunks[0].len() * 8 {
            let mut sealed = sent.chunks[0].clone();
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&sent, 0, &sealed), "size {size}, bit {bit}");
        }
    }
}

#[test]
fn any_truncation_or_extension_fails() {
    let sent = send(50, KeyMode::Link, 5);
    for len in 0..sent.chunks[0].len() {
        assert!(!opens(&sent, 0, &sent.chunks[0][..len]), "{len}");
    }
    assert!(!opens(&sent, 0, &[&sent.chunks[0][..], &[0]].concat()));
    assert!(!opens(&sent, 0, &[&[0], &sent.chunks[0][..]].concat()));
}

#[test]
fn no_chunk_stands_in_for_another() {
    let sent = send(51, KeyMode::Link, 3 * CHUNK);
    for place in 0..5 {
        for (number, sealed) in sent.chunks.iter().enumerate() {
            assert_eq!(opens(&sent, place, sealed), place == number, "{number} at {place}");
            // The counter set right: then it is the AAD that tells them apart.
            let mut renumbered = sealed.clone();
            renumbered[11] = u8::try_from(place).unwrap();
            assert_eq!(opens(&sent, place, &renumbered), place == number, "{number} renumbered at {place}");
        }
    }
}

#[test]
fn a_chunk_of_another_transfer_fails() {
    let (one, two) = (send(52, KeyMode::Link, 3 * CHUNK), send(53, KeyMode::Link, 3 * CHUNK));
    assert!(!opens(&one, 1, &two.chunks[1]));
    let mut mixed = two.chunks[1].clone();
    mixed[..8].copy_from_slice(&one.chunks[1][..8]);
    assert!(!opens(&one, 1, &mixed));
}

struct Context {
    key: [u8; 32],
    id: TransferId,
    size: u64,
    prefix: NoncePrefix,
}

impl Context {
    fn of(sent: &Sent) -> Self {
        let LinkMode::Link(key) = &sent.link.mode else { panic!("mode link") };
        Self { key: *key.expose(), id: sent.link.id, size: sent.layout.file_size(), prefix: sent.keys.prefix() }
    }

    fn opens(&self, number: usize, sealed: &[u8]) -> bool {
        let key = FileKey::from_link(LinkKey::from_bytes(self.key));
        let opener = ChunkOpener::new(&key, ChunkContext::new(self.id, layout(self.size), self.prefix));
        opener.open_in_place(index(number), &mut sealed.to_vec()).is_ok()
    }
}

#[test]
fn key_id_total_and_prefix_are_all_bound() {
    let sent = send(54, KeyMode::Link, 2 * CHUNK);
    let chunk = &sent.chunks[0];
    let context = || Context::of(&sent);
    assert!(context().opens(0, chunk));
    for byte in 0..32 {
        let mut wrong = context();
        wrong.key[byte] ^= 0x80;
        assert!(!wrong.opens(0, chunk));
    }
    let other = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".parse().unwrap();
    assert!(!Context { id: other, ..context() }.opens(0, chunk));
    for size in [CHUNK, 2 * CHUNK + 1, 10 * CHUNK] {
        assert!(!Context { size, ..context() }.opens(0, chunk), "total by {size}");
    }
    assert!(!Context { prefix: NoncePrefix::seed(), ..context() }.opens(0, chunk));
    let prefix = NoncePrefix::random_from_bytes([7; 8]).unwrap();
    assert!(!Context { prefix, ..context() }.opens(0, chunk));
}

#[test]
fn a_zero_iv_opens_under_neither_strategy() {
    let sent = send(55, KeyMode::Link, 5);
    let mut zeroed = sent.chunks[0].clone();
    zeroed[..8].fill(0);
    assert!(!opens(&sent, 0, &zeroed));
    assert!(!Context { prefix: NoncePrefix::seed(), ..Context::of(&sent) }.opens(0, &zeroed));
    assert_eq!(NoncePrefix::random_from_bytes([0; 8]), Err(Error::ZeroPrefix));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_flipped_bit_fails(seed in 100_u64..104, place: u64, bit in 0..8_u32) {
        let sent = send(seed, KeyMode::Link, CHUNK * 2 - 1 + seed % 3);
        let number = usize::try_from(place % sent.chunks.len() as u64).unwrap();
        let mut sealed = sent.chunks[number].clone();
        let byte = usize::try_from(place >> 8).unwrap() % sealed.len();
        sealed[byte] ^= 1 << bit;
        prop_assert!(!opens(&sent, number, &sealed));
    }

    #[test]
    fn random_bytes_never_open(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let sent = send(105, KeyMode::Link, 5);
        prop_assert!(!opens(&sent, 0, &bytes));
        // The right iv in front gets it as far as the tag.
        let forged = [&sent.chunks[0][..12], &bytes].concat();
        prop_assert!(!opens(&sent, 0, &forged));
    }
}
