//! Payloads: one upload counts, and complete freezes it.

use super::*;
use crate::metadata::{Payload, PayloadRecord, PayloadUpload};
use crate::store::UploadId;

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_payload_reads_back(&open().await).await;
    an_upload_takes_the_place_that_its_writer_has_seen(&open().await).await;
    complete_freezes_one_upload(&open().await).await;
    of_many_uploads_one_takes_the_place(&open().await).await;
    what_has_ended_takes_no_upload(&open().await).await;
    what_was_swept_takes_no_upload(&open().await).await;
}

fn new_payload(number: u8) -> NewTransfer {
    let mut new = new_transfer(number);
    let payload = Payload { file_size: 7, content_type_hint: "text/plain".into(), auto_delete: true, upload: None };
    (new.transfer.kind, new.transfer.shape) = (TransferKind::Payload, Shape::Payload(payload));
    (new.transfer.key_check, new.transfer.kdf_salt) = (None, None);
    new
}

fn upload(number: u8) -> PayloadUpload {
    let id = UploadId::from_random_bytes([number; 8]);
    PayloadUpload { id, len: u64::from(number) * 1_000, blake3: [number; 32] }
}

fn uploaded(number: u8, instead_of: Option<u8>, now: i64) -> PayloadRecord {
    PayloadRecord {
        transfer_id: id(1),
        upload: upload(number),
        instead_of: instead_of.map(|number| upload(number).id),
        now: at(now),
        upload_expires_at: at(now + 1000),
    }
}

async fn found(store: &dyn MetadataStore) -> Transfer {
    store.transfer(id(1)).await.expect("read").expect("there")
}

async fn a_payload_reads_back(store: &dyn MetadataStore) {
    let new = new_payload(1);
    store.create(&new).await.expect("created");
    let row = found(store).await;
    assert_eq!((row.kind, &row.shape), (TransferKind::Payload, &new.transfer.shape));
    assert_eq!((row.shape.file_size(), row.shape.body_bytes(), row.shape.total_chunks()), (7, 0, 0));
}

async fn an_upload_takes_the_place_that_its_writer_has_seen(store: &dyn MetadataStore) {
    assert!(!store.record_payload(&uploaded(1, None, 10)).await.expect("asked"), "there is no such transfer");
    store.create(&new_payload(1)).await.expect("created");
    assert!(store.record_payload(&uploaded(1, None, 10)).await.expect("recorded"));
    let row = found(store).await;
    assert_eq!((row.payload_upload(), row.stored_bytes, row.upload_expires_at), (Some(upload(1)), 1_000, at(1_010)));
    assert!(!store.record_payload(&uploaded(2, None, 20)).await.expect("asked"), "another upload was first");
    assert!(!store.record_payload(&uploaded(3, Some(2), 20)).await.expect("asked"), "that one never counted");
    assert!(store.record_payload(&uploaded(2, Some(1), 20)).await.expect("recorded"));
    assert_eq!(found(store).await.payload_upload(), Some(upload(2)));
    // A transfer of chunks has none.
    store.create(&new_transfer(2)).await.expect("created");
    let record = PayloadRecord { transfer_id: id(2), ..uploaded(1, None, 10) };
    assert!(!store.record_payload(&record).await.expect("asked"));
}

async fn complete_freezes_one_upload(store: &dyn MetadataStore) {
    let complete = |number| store.complete_payload(id(1), upload(number).id, at(30), ASKED, at(530));
    store.create(&new_payload(1)).await.expect("created");
    assert!(!complete(1).await.expect("asked"), "nothing was uploaded");
    assert!(store.record_payload(&uploaded(1, None, 10)).await.expect("recorded"));
    assert!(store.record_payload(&uploaded(2, Some(1), 10)).await.expect("recorded"));
    assert!(!complete(1).await.expect("asked"), "it does not count any more");
    let other = Expiry::AfterComplete(501);
    assert!(!store.complete_payload(id(1), upload(2).id, at(30), other, at(531)).await.expect("asked"));
    assert!(complete(2).await.expect("completed"));
    assert!(!complete(2).await.expect("asked"), "once");
    assert!(!store.record_payload(&uploaded(3, Some(2), 40)).await.expect("asked"), "frozen");
    let row = found(store).await;
    assert_eq!((row.state, row.payload_upload()), (StoredState::Completed, Some(upload(2))));
    assert_eq!((row.completed_at, row.expiry), (Some(at(30)), Expiry::At(at(530))));
}

async fn of_many_uploads_one_takes_the_place(store: &dyn MetadataStore) {
    store.create(&new_payload(1)).await.expect("created");
    let records: Vec<_> = (1..=8).map(|number| uploaded(number, None, 10)).collect();
    let taken = futures::future::join_all(records.iter().map(|record| store.record_payload(record))).await;
    let taken: Vec<bool> = taken.into_iter().map(|taken| taken.expect("asked")).collect();
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    let winner = found(store).await.payload_upload();
    assert_eq!(winner, records.iter().zip(&taken).find(|(_, taken)| **taken).map(|(record, _)| record.upload));
}

async fn what_has_ended_takes_no_upload(store: &dyn MetadataStore) {
    store.create(&new_payload(1)).await.expect("created");
    assert!(!store.record_payload(&uploaded(1, None, 1000)).await.expect("asked"), "the upload has ended");
    assert!(store.record_payload(&uploaded(1, None, 999)).await.expect("recorded"));
    let late = store.complete_payload(id(1), upload(1).id, at(1_999), ASKED, at(2_499));
    assert!(!late.await.expect("asked"), "the upload has ended again");
    store.delete(id(1), at(1_000)).await.expect("deleted");
    assert!(!store.record_payload(&uploaded(2, Some(1), 1_001)).await.expect("asked"), "deleted");
}

async fn what_was_swept_takes_no_upload(store: &dyn MetadataStore) {
    store.create(&new_payload(1)).await.expect("created");
    assert!(store.record_payload(&uploaded(1, None, 10)).await.expect("recorded"));
    store.swept(id(1)).await.expect("swept");
    assert!(!store.record_payload(&uploaded(2, Some(1), 20)).await.expect("asked"));
    assert!(!store.complete_payload(id(1), upload(1).id, at(30), ASKED, at(530)).await.expect("asked"));
}
