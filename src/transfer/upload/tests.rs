//! A body is what it was announced to be, or an error.

use async_trait::async_trait;

use super::*;

/// Counts what a blob would get.
#[derive(Default)]
struct Counted {
    bytes: usize,
    is_finished: bool,
}

#[async_trait]
impl StagedBlob for Counted {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.bytes += bytes.len();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.is_finished = true;
        Ok(())
    }

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

const PIECES: [&str; 3] = ["one ", "", "body"];

/// Receives `one body`, announced as so many bytes and with this digest; a blob is finished exactly when that is right.
async fn received(
    announced: u64,
    content_digest: Option<Digest>,
    end: Option<BodyError>,
) -> Result<Digests, TransferError> {
    let upload = ChunkUpload {
        transfer_id: TransferId::from_random_bytes([1; 16]),
        index: ChunkIndex::MIN,
        announced,
        content_digest,
    };
    let pieces = PIECES.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).chain(end.map(Err));
    let mut staged = Counted::default();
    let result = receive(&mut staged, futures::stream::iter(pieces), upload).await;
    assert_eq!(staged.is_finished, result.is_ok());
    assert!(staged.bytes as u64 <= announced, "never more than announced");
    result
}

#[tokio::test]
async fn the_announced_length_is_the_length() {
    assert_eq!(received(8, None, None).await.expect("all of it").blake3, *blake3::hash(b"one body").as_bytes());
    for (announced, end, expected) in [
        (9, None, BodyError::Incomplete),
        (7, None, BodyError::TooLarge),
        (0, None, BodyError::TooLarge),
        (8, Some(BodyError::Timeout), BodyError::Timeout),
        (9, Some(BodyError::Incomplete), BodyError::Incomplete),
    ] {
        let error = received(announced, None, end).await.expect_err("refused");
        assert!(matches!(error, TransferError::Body(found) if found == expected), "{announced}: {error:?}");
    }
}

#[tokio::test]
async fn a_digest_is_computed_only_to_verify_it() {
    let right: Digest = Sha256::digest(b"one body").into();
    assert_eq!(received(8, None, None).await.expect("stored").sha256, None);
    assert_eq!(received(8, Some(right), None).await.expect("stored").sha256, Some(right));
    assert!(matches!(received(8, Some([0; 32]), None).await, Err(TransferError::DigestMismatch)));
}
