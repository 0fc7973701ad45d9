//! FULL, SEED, and nothing between.

use super::*;

fn members(text: &str) -> KindMembers {
    KindMembers {
        transfer_id: Some(text.parse().expect("an id")),
        iv_strategy: IvStrategy::PrefixCounter,
        chunk_size: MIN_CHUNK_SIZE_BYTES,
        sealed_metadata: true,
        key_check: true,
        kdf: false,
    }
}

fn full() -> KindMembers {
    members("00112233445566778899aabbccddeeff")
}

fn seed() -> KindMembers {
    KindMembers {
        iv_strategy: IvStrategy::Counter,
        chunk_size: 1024,
        sealed_metadata: false,
        key_check: false,
        ..full()
    }
}

#[test]
fn the_two_kinds() {
    let short = members("001122334455").transfer_id;
    for (members, kind) in [
        (full(), TransferKind::Full),
        (KindMembers { kdf: true, ..full() }, TransferKind::Full),
        (KindMembers { sealed_metadata: false, ..full() }, TransferKind::Full),
        (seed(), TransferKind::Seed),
        (KindMembers { transfer_id: None, ..seed() }, TransferKind::Seed),
        (KindMembers { transfer_id: short, ..seed() }, TransferKind::Seed),
    ] {
        assert_eq!(members.classify(), Ok(kind), "{members:?}");
    }
}

#[test]
fn nothing_between_them() {
    let short = members("001122334455").transfer_id;
    for (members, refused) in [
        (KindMembers { transfer_id: None, ..full() }, MixedKind::ShortId),
        (KindMembers { transfer_id: short, ..full() }, MixedKind::ShortId),
        (KindMembers { key_check: false, ..full() }, MixedKind::KeyCheckMissing),
        (KindMembers { chunk_size: MIN_CHUNK_SIZE_BYTES - 1, ..full() }, MixedKind::SmallChunks),
        (KindMembers { iv_strategy: IvStrategy::Counter, ..full() }, MixedKind::KeyCheckSurplus),
        (KindMembers { iv_strategy: IvStrategy::PrefixCounter, ..seed() }, MixedKind::KeyCheckMissing),
        (KindMembers { key_check: true, ..seed() }, MixedKind::KeyCheckSurplus),
        (KindMembers { sealed_metadata: true, ..seed() }, MixedKind::SealedMetadataSurplus),
        (KindMembers { kdf: true, ..seed() }, MixedKind::KdfSurplus),
    ] {
        assert_eq!(members.classify(), Err(refused), "{members:?}");
    }
}

#[test]
fn every_combination_is_full_or_seed_or_refused() {
    for bits in 0..64_u8 {
        let bit = |place: u8| bits >> place & 1 == 1;
        let members = KindMembers {
            transfer_id: if bit(0) { full().transfer_id } else { None },
            iv_strategy: if bit(1) { IvStrategy::PrefixCounter } else { IvStrategy::Counter },
            chunk_size: if bit(2) { MIN_CHUNK_SIZE_BYTES } else { MIN_CHUNK_SIZE_BYTES - 1 },
            sealed_metadata: bit(3),
            key_check: bit(4),
            kdf: bit(5),
        };
        let is_full = bit(0) && bit(1) && bit(2) && bit(4);
        let is_seed = !bit(1) && !bit(3) && !bit(4) && !bit(5);
        let expected = if is_full { Some(TransferKind::Full) } else { is_seed.then_some(TransferKind::Seed) };
        assert_eq!(members.classify().ok(), expected, "{members:?}");
    }
}
