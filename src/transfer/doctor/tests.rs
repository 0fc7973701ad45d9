//! Beside running servers: what a server is about to do is no damage, and what it has just done is not undone.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use haulier_wire::{ByteLen, ChunkIndex, ChunkLayout, TransferId, TransferKind};

use super::*;
use crate::blob::disk::DiskStore;
use crate::blob::{BlobKey, BlobStore, Content, Expected, Listed, StagedBlob};
use crate::clock::{Clock, SystemClock};
use crate::entropy::SystemEntropy;
use crate::metadata::sqlite::SqliteStore;
use crate::metadata::{ChunkRecord, Expiry, MetadataStore, NewTransfer, Recorded, Shape, Step, StoredState, Transfer};
use crate::store::BufferUse;
use crate::transfer::state::{LeaseTimes, Limits};

type Meanwhile = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A real disk beside which something else happens once, right behind the end of a list.
struct Busy {
    disk: Arc<DiskStore>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Busy")
    }
}

impl Busy {
    fn then<T: Send + 'static>(&self, list: BoxStream<'static, T>) -> BoxStream<'static, T> {
        let meanwhile = Arc::clone(&self.meanwhile);
        let last = stream::once(async move {
            let happens = meanwhile.lock().expect("not poisoned").take();
            if let Some(happens) = happens {
                happens().await;
            }
        });
        list.chain(last.filter_map(async |()| None)).boxed()
    }
}

#[async_trait]
impl BlobStore for Busy {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        self.disk.stage(key, expected).await
    }
    fn most_unannounced(&self) -> u64 {
        self.disk.most_unannounced()
    }
    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.disk.put(key, bytes).await
    }
    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        self.disk.len(key).await
    }
    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        self.disk.read(key, range).await
    }
    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        self.disk.remove(key).await
    }
    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        self.disk.remove_transfer(id).await
    }
    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.disk.remove_abandoned(before).await
    }
    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        self.disk.transfers()
    }
    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        self.then(self.disk.blobs_of(id))
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.disk.probe().await
    }
    fn buffer(&self) -> BufferUse {
        self.disk.buffer()
    }
}

struct Ward {
    _folder: tempfile::TempDir,
    metadata: Arc<SqliteStore>,
    disk: Arc<DiskStore>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    transfers: Transfers,
}

const ID: [u8; 16] = [1; 16];

impl Ward {
    async fn new() -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        let metadata = Arc::new(SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens"));
        let disk = Arc::new(DiskStore::open(&folder.path().join("blobs")).expect("opens"));
        let meanwhile = Arc::new(Mutex::new(None));
        let blobs = Arc::new(Busy { disk: Arc::clone(&disk), meanwhile: Arc::clone(&meanwhile) });
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
        let store: Arc<dyn MetadataStore> = Arc::<SqliteStore>::clone(&metadata);
        let transfers = Transfers::new(store, blobs, Arc::new(SystemClock), Arc::new(SystemEntropy), limits);
        Self { _folder: folder, metadata, disk, meanwhile, transfers }
    }

    fn meanwhile(
        &self,
        happens: impl Fn(Arc<SqliteStore>, Arc<DiskStore>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        let (metadata, disk) = (Arc::clone(&self.metadata), Arc::clone(&self.disk));
        let happens: Meanwhile = Box::new(move || happens(Arc::clone(&metadata), Arc::clone(&disk)));
        *self.meanwhile.lock().expect("not poisoned") = Some(happens);
    }

    async fn finds(&self, repair: bool) -> Vec<(Damage, Outcome)> {
        let found = Mutex::new(Vec::new());
        let how = Examination { verify: true, repair, older_than: Duration::ZERO };
        let report = |finding: &Finding| {
            found.lock().expect("not poisoned").push((finding.damage, finding.outcome.clone()));
        };
        self.transfers.examine(how, &report).await.expect("looked at");
        found.into_inner().expect("not poisoned")
    }
}

fn id() -> TransferId {
    TransferId::from_random_bytes(ID)
}

/// Two chunks of 1,052 and 28 bytes and one byte.
fn row() -> Transfer {
    let now = SystemClock.now();
    let later = state::after(now, Duration::from_secs(3600));
    Transfer {
        id: id(),
        kind: TransferKind::Seed,
        state: StoredState::Pending,
        create_digest: [0; 32],
        shape: Shape::Chunks(ChunkLayout::new(ByteLen::new(1_025).expect("in range"), 1_024).expect("a layout")),
        stored_chunks: 0,
        stored_bytes: 0,
        key_check: None,
        kdf_salt: None,
        owner_token_hash: None,
        download_token_hash: None,
        max_downloads: 0,
        download_count: 0,
        held: 0,
        abandoned_bytes: 0,
        created_at: now,
        upload_expires_at: later,
        expiry: Expiry::At(later),
        completed_at: None,
        is_swept: false,
    }
}

const CONTENT: [u8; 1_052] = [7; 1_052];

async fn create(metadata: &SqliteStore) {
    metadata.create(&NewTransfer { transfer: row(), sealed_metadata: None, charge: None }).await.expect("created");
}

async fn record(metadata: &SqliteStore, step: Step) {
    let record = ChunkRecord {
        transfer_id: id(),
        index: ChunkIndex::MIN,
        blake3: blake3::hash(&CONTENT).into(),
        sha256: None,
        len: CONTENT.len() as u64,
        step,
        now: SystemClock.now(),
        upload_expires_at: row().upload_expires_at,
    };
    assert_eq!(metadata.record(&[record]).await.expect("recorded"), [Recorded::New]);
}

async fn publish(disk: &DiskStore) {
    disk.put(BlobKey::Chunk(id(), ChunkIndex::MIN), Bytes::from_static(&CONTENT)).await.expect("published");
}

#[tokio::test]
async fn a_chunk_that_arrives_behind_the_list_is_not_missing() {
    let ward = Ward::new().await;
    create(&ward.metadata).await;
    record(&ward.metadata, Step::Reserve).await;
    ward.meanwhile(|metadata, disk| {
        Box::pin(async move {
            publish(&disk).await;
            record(&metadata, Step::Store).await;
        })
    });
    assert_eq!(ward.finds(true).await, [], "stored by a server while the doctor looked");
    assert_eq!(ward.metadata.transfer(id()).await.expect("read").expect("there").stored_chunks, 1);
}

#[tokio::test]
async fn a_blob_whose_record_is_still_to_come_is_no_garbage() {
    let ward = Ward::new().await;
    create(&ward.metadata).await;
    record(&ward.metadata, Step::Reserve).await;
    publish(&ward.disk).await;
    assert_eq!(ward.finds(true).await, [], "reserved and published");
    record(&ward.metadata, Step::Store).await;
    assert_eq!(ward.finds(true).await, []);
}

#[tokio::test]
async fn a_transfer_that_is_deleted_behind_the_list_has_no_damage() {
    let ward = Ward::new().await;
    create(&ward.metadata).await;
    record(&ward.metadata, Step::Reserve).await;
    record(&ward.metadata, Step::Store).await;
    ward.meanwhile(|metadata, _| {
        Box::pin(async move {
            metadata.delete(id(), SystemClock.now()).await.expect("deleted");
        })
    });
    assert_eq!(ward.finds(true).await, [], "its blob is missing, as it should");
}

#[tokio::test]
async fn an_id_that_is_created_behind_the_look_keeps_its_blobs() {
    let ward = Ward::new().await;
    publish(&ward.disk).await;
    assert_eq!(ward.finds(false).await, [(Damage::Orphan, Outcome::Repairable)]);
    // Between the look at its blobs and the removal somebody creates the very id and stores the chunk.
    ward.meanwhile(|metadata, disk| {
        Box::pin(async move {
            create(&metadata).await;
            record(&metadata, Step::Reserve).await;
            publish(&disk).await;
            record(&metadata, Step::Store).await;
        })
    });
    assert_eq!(ward.finds(true).await, [], "not an orphan any more");
    let len = ward.disk.len(BlobKey::Chunk(id(), ChunkIndex::MIN)).await.expect("answered");
    assert_eq!(len, Some(CONTENT.len() as u64), "what was acknowledged stays");
}

#[tokio::test]
async fn nobody_creates_an_id_whose_blobs_were_removed() {
    let ward = Ward::new().await;
    publish(&ward.disk).await;
    assert_eq!(ward.finds(true).await, [(Damage::Orphan, Outcome::Repaired)]);
    let row = ward.metadata.transfer(id()).await.expect("read").expect("the id is taken");
    assert_eq!((row.state, row.is_swept), (StoredState::Deleted, true));
    assert_eq!(ward.finds(true).await, []);
}

#[tokio::test]
async fn a_store_that_is_away_is_no_damage() {
    let ward = Ward::new().await;
    create(&ward.metadata).await;
    ward.metadata.close().await;
    let how = Examination { verify: true, repair: true, older_than: Duration::ZERO };
    let report = |finding: &Finding| panic!("{finding:?}");
    assert!(matches!(ward.transfers.examine(how, &report).await, Err(StoreError::Unavailable(_))));
}

#[test]
fn the_word_is_the_one_of_json() {
    for damage in [
        Damage::ChunkMissing,
        Damage::ChunkLength,
        Damage::ChunkBytes,
        Damage::ChunkUnrecorded,
        Damage::ChunkSurplus,
        Damage::MetaMissing,
        Damage::MetaWrong,
        Damage::RowMissing,
        Damage::Orphan,
        Damage::Leftover,
        Damage::ForeignName,
    ] {
        assert_eq!(serde_json::to_string(&damage).expect("JSON"), format!("\"{}\"", damage.word()));
        assert!(!damage.advice().is_empty());
    }
}
