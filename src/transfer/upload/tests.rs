//! A body is what it was announced to be, or an error; a blob gets its name once it is synced and its index reserved.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haulier_wire::api::CompleteRequest;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::blob::BlobStore as _;
use crate::blob::disk::DiskStore;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::metadata::sqlite::SqliteStore;

/// Counts what a blob would get.
#[derive(Default)]
struct Counted {
    bytes: usize,
}

#[async_trait]
impl StagedBlob for Counted {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.bytes += bytes.len();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

const PIECES: [&str; 3] = ["one ", "", "body"];

/// Receives `one body`, announced as so many bytes and with this digest.
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

/// A blob of the disk whose sync waits until it is told what becomes of it.
struct Waiting {
    inner: Box<dyn StagedBlob>,
    sync: Arc<Sync>,
    result: Result<(), StoreError>,
}

#[derive(Default)]
struct Sync {
    begun: Notify,
    may_end: Notify,
}

#[async_trait]
impl StagedBlob for Waiting {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.write(bytes).await
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.sync.begun.notify_one();
        self.sync.may_end.notified().await;
        self.inner.finish().await?;
        self.result.clone()
    }

    async fn publish(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.publish().await
    }
}

const BODY: &[u8] = b"28 bytes more than the file.";
const OTHER_BODY: &[u8] = b"28 bytes that come too late.";

/// Real stores with one transfer of one chunk, which is as long as [`BODY`].
struct OneChunk {
    transfers: Transfers,
    blobs: Arc<DiskStore>,
    upload: ChunkUpload,
    _folder: TempDir,
}

impl OneChunk {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let metadata = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
        let blobs = Arc::new(DiskStore::open(&folder.path().join("blobs")).expect("opens"));
        let limits = state::Limits {
            max_file_bytes: 1 << 20,
            max_total_chunks: 1,
            default_expiry: Duration::from_secs(3600),
            max_expiry: Duration::from_secs(3600),
            upload_expiry: Duration::from_secs(3600),
            client_timeout: Duration::from_secs(30),
            sweep_grace: Duration::ZERO,
            leases: state::LeaseTimes::default(),
            min_expiry: Duration::from_secs(1),
            create: state::Create::Open,
            quotas: crate::transfer::Quotas::default(),
            client_rate: None,
            token_rate: None,
        };
        let blob_store: Arc<DiskStore> = Arc::clone(&blobs);
        let transfers =
            Transfers::new(Arc::new(metadata), blob_store, Arc::new(SystemClock), Arc::new(SystemEntropy), limits);
        let request = serde_json::json!({
            "file_size": 0, "chunk_size": 65536, "total_chunks": 1,
            "encryption":
                {"algorithm": "AES-256-GCM", "iv_strategy": "counter", "tag_length": 128, "aad_format": "json"},
        });
        let created =
            transfers.create(&serde_json::from_value(request).expect("a request"), None).await.expect("created");
        let upload = ChunkUpload {
            transfer_id: created.transfer_id,
            index: ChunkIndex::MIN,
            announced: BODY.len() as u64,
            content_digest: None,
        };
        Self { transfers, blobs, upload, _folder: folder }
    }

    async fn upload(&self, body: &'static [u8]) -> Result<StoredUpload, TransferError> {
        let body = futures::stream::iter([Ok(Bytes::from_static(body))]);
        self.transfers.upload_chunk(self.upload, &Writer::default(), body).await
    }

    /// Settles a received [`BODY`] in a task of its own, as far as the beginning of its sync.
    async fn settle_until_synced(
        &self,
        sync: &Arc<Sync>,
        result: Result<(), StoreError>,
    ) -> tokio::task::JoinHandle<Result<StoredUpload, TransferError>> {
        let mut inner = self.blobs.stage(self.key(), Expected::Exactly(self.upload.announced)).await.expect("staged");
        let body = futures::stream::iter([Ok(Bytes::from_static(BODY))]);
        let digests = receive(&mut *inner, body, self.upload).await.expect("received");
        let staged = Box::new(Waiting { inner, sync: Arc::clone(sync), result });
        let (transfers, upload) = (self.transfers.clone(), self.upload);
        let settled = tokio::spawn(async move { transfers.settle(upload, digests, staged).await });
        sync.begun.notified().await;
        settled
    }

    fn key(&self) -> BlobKey {
        BlobKey::Chunk(self.upload.transfer_id, self.upload.index)
    }

    async fn published_bytes(&self) -> Option<u64> {
        self.blobs.len(self.key()).await.expect("read")
    }
}

#[tokio::test]
async fn the_index_is_reserved_beside_the_sync_and_the_name_comes_after_both() {
    let one = OneChunk::new().await;
    let sync = Arc::new(Sync::default());
    let settled = one.settle_until_synced(&sync, Ok(())).await;
    // Other bytes come too late although the first ones are still being synced.
    assert!(matches!(one.upload(OTHER_BODY).await, Err(TransferError::ChunkConflict)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(one.published_bytes().await, None, "reserved, and not synced");
    sync.may_end.notify_one();
    assert!(settled.await.expect("ran").expect("stored").is_new);
    assert_eq!(one.published_bytes().await, Some(BODY.len() as u64));
}

#[tokio::test]
async fn what_could_not_be_synced_is_not_published_and_the_same_bytes_complete_it() {
    let one = OneChunk::new().await;
    let sync = Arc::new(Sync::default());
    let settled = one.settle_until_synced(&sync, Err(StoreError::Full)).await;
    sync.may_end.notify_one();
    assert!(matches!(settled.await.expect("ran"), Err(TransferError::Store(StoreError::Full))));
    assert_eq!(one.published_bytes().await, None);
    let status = one.transfers.upload_status(one.upload.transfer_id, &Writer::default()).await.expect("there");
    assert_eq!(status.stored_chunks, 0);
    assert!(one.upload(BODY).await.expect("stored").is_new);
    assert_eq!(one.published_bytes().await, Some(BODY.len() as u64));
}

/// A writer stalls while another stores the same bytes, and all downloads of the transfer are spent; it is swept or not.
#[tokio::test]
async fn a_late_writer_leaves_nothing_in_what_was_read_and_swept() {
    for is_swept in [true, false] {
        let one = OneChunk::new().await;
        let id = one.upload.transfer_id;
        let sync = Arc::new(Sync::default());
        let settled = one.settle_until_synced(&sync, Ok(())).await;
        assert!(one.upload(BODY).await.expect("stored").is_new);
        one.transfers.complete(id, &Writer::default(), &CompleteRequest::default()).await.expect("completed");
        one.transfers.count_download(id).await;
        assert!(one.transfers.metadata.set_max_downloads(id, 1).await.expect("exhausted"));
        if is_swept {
            assert_eq!(one.transfers.sweep().await.expect("swept").transfers, 1);
        }
        sync.may_end.notify_one();
        let late = settled.await.expect("ran");
        assert!(matches!(late, Err(TransferError::Exhausted)), "{late:?}");
        assert_eq!(one.published_bytes().await.is_some(), !is_swept);
    }
}

#[tokio::test]
async fn a_transfer_that_lives_on_is_never_called_over() {
    // The database refused a chunk by one server's clock, and by now the end has moved on: nothing is to be removed.
    let one = OneChunk::new().await;
    let error = one.transfers.closed(one.upload.transfer_id).await;
    assert!(matches!(error, TransferError::Store(StoreError::Unavailable(_))), "{error:?}");
    let nobody = TransferId::from_random_bytes([7; 16]);
    assert!(matches!(one.transfers.closed(nobody).await, TransferError::NotFound));
}
