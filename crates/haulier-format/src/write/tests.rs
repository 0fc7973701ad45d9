//! Keys are made for one transfer and bound to its sizes.

use super::*;
use crate::metadata::{DEFAULT_TYPE, FileEntry};
use crate::test_rng::CountingRng;

fn keys() -> WriteKeys {
    WriteKeys::generate(&mut CountingRng::new(1), KeyMode::Link, None).unwrap()
}

fn layout(file_size: u64) -> ChunkLayout {
    ChunkLayout::new(ByteLen::new(file_size).unwrap(), 65_536).unwrap()
}

fn metadata(keys: &WriteKeys, size: u64) -> Metadata {
    Metadata {
        name: "a".into(),
        content_type: DEFAULT_TYPE.into(),
        file_size: size,
        chunk_size: 65_536,
        total_chunks: layout(size).total_chunks(),
        iv_prefix: *keys.prefix().as_bytes(),
        files: vec![FileEntry { path: "a".into(), size, offset: 0, content_type: DEFAULT_TYPE.into(), mtime: None }],
        message: None,
    }
}

#[test]
fn passphrases_go_with_their_modes() {
    let rng = &mut CountingRng::new(1);
    let words = Passphrase::new("words").unwrap();
    let error = |mode, words| WriteKeys::generate(&mut CountingRng::new(1), mode, words).unwrap_err();
    assert_eq!(error(KeyMode::Link, Some(&words)), Error::PassphraseSurplus);
    assert_eq!(error(KeyMode::LinkPassphrase, None), Error::PassphraseMissing);
    assert_eq!(error(KeyMode::Passphrase, None), Error::PassphraseMissing);
    let keys = WriteKeys::generate(rng, KeyMode::Link, None).unwrap();
    assert!(keys.kdf().is_none());
    assert!(!keys.transfer_id().is_legacy());
}

#[test]
fn keys_are_bound_to_their_first_sizes() {
    let keys = keys();
    keys.sealer(layout(100)).unwrap();
    keys.sealer(layout(100)).unwrap();
    assert_eq!(keys.sealer(layout(101)).unwrap_err(), Error::LayoutBound);
    let rng = &mut CountingRng::new(9);
    assert_eq!(keys.seal_metadata(&metadata(&keys, 101), rng).unwrap_err(), Error::LayoutBound);
    assert!(keys.seal_metadata(&metadata(&keys, 100), rng).is_ok());
    let restored = WriteKeys::restore(&keys.save()).unwrap();
    assert_eq!(restored.sealer(layout(101)).unwrap_err(), Error::LayoutBound);
}

#[test]
fn metadata_binds_the_sizes_too() {
    let keys = keys();
    keys.seal_metadata(&metadata(&keys, 100), &mut CountingRng::new(9)).unwrap();
    assert_eq!(keys.sealer(layout(101)).unwrap_err(), Error::LayoutBound);
}

#[test]
fn metadata_of_another_prefix_is_refused() {
    let keys = keys();
    let mut metadata = metadata(&keys, 100);
    metadata.iv_prefix[0] ^= 1;
    assert_eq!(keys.seal_metadata(&metadata, &mut CountingRng::new(9)).unwrap_err(), Error::MetadataMismatch);
}

#[test]
fn small_chunks_are_not_written() {
    let small = ChunkLayout::new(ByteLen::new(5).unwrap(), 65_535).unwrap();
    assert_eq!(keys().sealer(small).unwrap_err(), Error::Kind(MixedKind::SmallChunks));
}

#[test]
fn restored_keys_are_the_same_keys() {
    let words = Passphrase::new("words").unwrap();
    let keys = WriteKeys::generate(&mut CountingRng::new(1), KeyMode::LinkPassphrase, Some(&words)).unwrap();
    let restored = WriteKeys::restore(&keys.save()).unwrap();
    assert_eq!(restored.link("https://h").unwrap(), keys.link("https://h/").unwrap());
    assert_eq!(restored.owner_token().as_str(), keys.owner_token().as_str());
    assert_eq!(restored.kdf(), keys.kdf());
    let seal = |keys: &WriteKeys| {
        let mut buffer = vec![0; IV_LEN + 100];
        keys.sealer(layout(100)).unwrap().seal_in_place(haulier_wire::ChunkIndex::MIN, &mut buffer).unwrap();
        buffer
    };
    assert_eq!(seal(&restored), seal(&keys));
}

#[test]
fn damaged_state_is_refused() {
    let damage: [fn(&mut SavedKeys); 10] = [
        |saved| saved.transfer_id = TransferId::from_random_bytes([1; 16]),
        |saved| saved.transfer_id = "a1b2c3d4e5f6".parse().unwrap(),
        |saved| saved.mode = KeyMode::Passphrase,
        |saved| saved.mode = KeyMode::LinkPassphrase,
        |saved| saved.link_key.as_mut().unwrap()[0] ^= 1,
        |saved| saved.link_key = None,
        |saved| saved.salt = Some([0; 16]),
        |saved| saved.prefix = [0; 8],
        |saved| saved.sizes = Some((5, 1)),
        |saved| saved.key_check[0] ^= 1,
    ];
    for (number, change) in damage.iter().enumerate() {
        let mut saved = keys().save();
        assert!(WriteKeys::restore(&saved).is_ok());
        change(&mut saved);
        assert_eq!(WriteKeys::restore(&saved).unwrap_err(), Error::SavedKeys, "{number}");
    }
}

#[test]
fn a_zero_prefix_is_drawn_again() {
    struct ZerosFirst(u32);
    impl rand_core::TryRng for ZerosFirst {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            self.0 += 1;
            bytes.fill(u8::from(self.0 > 2));
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for ZerosFirst {}
    assert_eq!(NoncePrefix::generate(&mut ZerosFirst(0)).as_bytes(), &[1; 8]);
}

#[test]
fn nothing_secret_is_in_debug() {
    let keys = keys();
    let text = format!("{keys:?} {:?}", keys.save());
    assert!(!text.contains(&haulier_wire::encoding::to_hex(keys.prefix().as_bytes())));
    assert_eq!(
        text,
        format!(
            "WriteKeys {{ transfer_id: {id:?}, .. }} SavedKeys {{ transfer_id: {id:?}, .. }}",
            id = keys.transfer_id()
        )
    );
}
