//! A chunk opens as it was sealed, and in no other place.

use haulier_wire::ByteLen;

use super::*;

fn layout(file_size: u64) -> ChunkLayout {
    ChunkLayout::new(ByteLen::new(file_size).unwrap(), 1 << 20).unwrap()
}

fn context(file_size: u64, prefix: NoncePrefix) -> ChunkContext {
    ChunkContext::new("a1b2c3d4e5f6".parse().unwrap(), layout(file_size), prefix)
}

fn key() -> FileKey {
    FileKey::from_array(&std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

fn buffer(len: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; IV_LEN + len];
    buffer[IV_LEN..].iter_mut().enumerate().for_each(|(n, byte)| *byte = u8::try_from(n % 251).unwrap());
    buffer
}

#[test]
fn seals_the_bytes_of_the_seed_vector() {
    let sealer = ChunkSealer::new(&key(), context(5, NoncePrefix::seed()));
    let mut sealed = buffer(5);
    let tag = sealer.seal_in_place(ChunkIndex::MIN, &mut sealed).unwrap();
    let vector = include_bytes!("../../../../testvectors/legacy-send/chunk_t1_0.bin");
    assert_eq!(sealed, vector);
    assert_eq!(tag, vector[17..]);
}

#[test]
fn seals_the_forced_empty_chunk() {
    let mut sealed = buffer(0);
    let tag = ChunkSealer::new(&key(), context(0, NoncePrefix::seed())).seal_in_place(ChunkIndex::MIN, &mut sealed);
    assert_eq!(haulier_wire::encoding::to_hex(&tag.unwrap()), "e2bbbd5bb0632590996755dc3077df19");
    assert_eq!(sealed.len(), 28);
}

#[test]
fn seals_exactly_the_chunk_s_length() {
    let sealer = ChunkSealer::new(&key(), context(1005, NoncePrefix::seed()));
    for len in [0, 1004, 1006] {
        let mut buffer = buffer(len);
        let before = buffer.clone();
        assert_eq!(sealer.seal_in_place(ChunkIndex::MIN, &mut buffer), Err(Error::SealLength));
        assert_eq!(buffer, before);
    }
    assert_eq!(sealer.seal_in_place(ChunkIndex::MIN, &mut vec![0; 11]), Err(Error::SealLength));
    assert_eq!(sealer.seal_in_place(ChunkIndex::new(1).unwrap(), &mut buffer(1005)), Err(Error::SealLength));
}

#[test]
fn seals_without_a_copy_when_there_is_room() {
    let sealer = ChunkSealer::new(&key(), context(1005, NoncePrefix::seed()));
    let mut buffer = buffer(1005);
    buffer.reserve(TAG_LEN);
    let place = buffer.as_ptr();
    sealer.seal_in_place(ChunkIndex::MIN, &mut buffer).unwrap();
    assert_eq!(buffer.as_ptr(), place);
}

#[test]
fn a_wrong_tag_leaves_no_plaintext() {
    let prefix = NoncePrefix::random_from_bytes([1; 8]).unwrap();
    let mut sealed = buffer(100);
    ChunkSealer::new(&key(), context(100, prefix)).seal_in_place(ChunkIndex::MIN, &mut sealed).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    let opener = ChunkOpener::new(&key(), context(100, prefix));
    assert_eq!(opener.open_in_place(ChunkIndex::MIN, &mut sealed), Err(Error::Open));
    assert_eq!(sealed[IV_LEN..IV_LEN + 100], [0; 100]);
}

#[test]
fn the_last_possible_chunk_seals_and_opens() {
    let max = u64::from(u32::MAX);
    let layout = ChunkLayout::new(ByteLen::new(max * 1024 - 1000).unwrap(), 1024).unwrap();
    assert_eq!(layout.total_chunks(), u32::MAX);
    let context = ChunkContext::new("a1b2c3d4e5f6".parse().unwrap(), layout, NoncePrefix::seed());
    let mut sealed = buffer(24);
    ChunkSealer::new(&key(), context).seal_in_place(ChunkIndex::MAX, &mut sealed).unwrap();
    assert_eq!(sealed[8..12], [255, 255, 255, 254]);
    assert_eq!(ChunkOpener::new(&key(), context).open_in_place(ChunkIndex::MAX, &mut sealed).unwrap().len(), 24);
}

#[test]
fn sealers_and_openers_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<ChunkSealer>();
    shared::<ChunkOpener>();
    shared::<crate::WriteKeys>();
    shared::<crate::Opened>();
}
