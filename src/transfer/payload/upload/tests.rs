//! Which bodies are JSON with a payload inside, and how long an upload may be that does not say it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use haulier_wire::Timestamp;
use haulier_wire::legacy::PayloadRequest;

use super::*;
use crate::blob::disk::DiskStore;
use crate::blob::{BlobStore, Content, Listed};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::metadata::sqlite::SqliteStore;
use crate::store::BufferUse;
use crate::transfer::state::{LeaseTimes, Limits};

/// A real disk that takes as little as this of what does not say its length, as an object store does with far more.
#[derive(Debug)]
struct Narrow(DiskStore);

const MOST_UNANNOUNCED: u64 = 1000;

#[async_trait]
impl BlobStore for Narrow {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        if let Expected::AtMost(most) = expected {
            assert!(most <= MOST_UNANNOUNCED, "{most}");
        }
        self.0.stage(key, expected).await
    }
    fn most_unannounced(&self) -> u64 {
        MOST_UNANNOUNCED
    }
    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.0.put(key, bytes).await
    }
    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        self.0.len(key).await
    }
    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        self.0.read(key, range).await
    }
    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        self.0.remove(key).await
    }
    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        self.0.remove_transfer(id).await
    }
    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.0.remove_abandoned(before).await
    }
    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        self.0.transfers()
    }
    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        self.0.blobs_of(id)
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.0.probe().await
    }
    fn buffer(&self) -> BufferUse {
        self.0.buffer()
    }
}

async fn transfers(folder: &tempfile::TempDir) -> Transfers {
    let metadata = Arc::new(SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens"));
    let blobs = Arc::new(Narrow(DiskStore::open(&folder.path().join("blobs")).expect("opens")));
    let day = Duration::from_secs(24 * 3600);
    let limits = Limits {
        max_file_bytes: 1 << 40,
        max_total_chunks: 1000,
        default_expiry: day,
        max_expiry: day,
        upload_expiry: day,
        client_timeout: day,
        sweep_grace: day,
        leases: LeaseTimes::default(),
        min_expiry: Duration::from_secs(1),
        create: state::Create::Open,
        quotas: crate::transfer::Quotas::default(),
        client_rate: None,
        token_rate: None,
    };
    Transfers::new(metadata, blobs, Arc::new(SystemClock), Arc::new(SystemEntropy), limits)
}

#[tokio::test]
async fn what_does_not_announce_its_length_has_the_most_that_the_store_takes_of_it() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let transfers = transfers(&folder).await;
    let asked = serde_json::from_str::<PayloadRequest>("{}").expect("a request").check().expect("fine");
    let id = transfers.create_payload(&asked, None).await.expect("created").transfer_id;
    for (len, is_announced, is_taken) in [(1000, false, true), (1001, false, false), (1001, true, true)] {
        let body = stream::iter([Ok(Bytes::from(vec![7; len]))]);
        let expected = PayloadBody { announced: is_announced.then_some(len as u64), json: Json::Perhaps };
        let outcome = transfers.upload_payload(id, &Writer::default(), expected, body).await;
        match outcome {
            Ok(stored) => assert!(is_taken && stored == len as u64, "{len}, {is_announced}: {stored}"),
            Err(TransferError::Body(BodyError::TooLarge)) => assert!(!is_taken, "{len}, {is_announced}"),
            Err(error) => panic!("{len}, {is_announced}: {error:?}"),
        }
    }
}

#[test]
fn only_json_with_base64_in_data_is_unwrapped() {
    for (body, payload) in [
        (r#"{"data":"aGVsbG8="}"#, Some("hello")),
        (r#"{"data":""}"#, Some("")),
        (r#" {"data":"aGVsbG8="}"#, Some("hello")),
        (r#"{"other":[{}],"data":"aGVsbG8\u003d"}"#, Some("hello")),
        (r#"{"data":"aGVsbG8"}"#, None),
        (r#"{"data":"aGVsbG8=\n"}"#, None),
        (r#"{"data":7}"#, None),
        (r#"{"data":null}"#, None),
        (r#"{"data":"aGVsbG8=","data":"aGVsbG8="}"#, None),
        (r#"{"Data":"aGVsbG8="}"#, None),
        (r#"{"data":"aGVsbG8="}x"#, None),
        (r#"{"data":"aGVsbG8="#, None),
        ("{}", None),
        ("{", None),
        ("{\u{0}\u{1}", None),
    ] {
        assert_eq!(payload_in_json(body.as_bytes()).as_deref(), payload.map(str::as_bytes), "{body}");
    }
    assert_eq!(payload_in_json(b"{\xff\xfe"), None);
}
