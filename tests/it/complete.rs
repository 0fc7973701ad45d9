//! Complete: refused while chunks are missing, the same answer for ever after, and nothing changes any more.

use futures::stream::{self, StreamExt as _};
use haulier_wire::api::{CompleteResponse, Manifest, UploadStatus};
use haulier_wire::encoding::{Base64Url, to_base64url};
use haulier_wire::limit::MAX_MISSING_RANGES;
use haulier_wire::{ProblemType, TransferId};
use serde_json::{Value, json};

use crate::harness::{Http, OWNER_TOKEN, Reply, Sample, Server};

async fn complete_with(http: &Http, id: TransferId, body: impl Into<String>) -> Reply {
    let request = http.post(&format!("/api/transfers/complete/{id}")).bearer_auth(OWNER_TOKEN);
    Reply::to(request.body(body.into())).await
}

fn sealed(byte: u8) -> Value {
    json!({ "sealed_metadata": to_base64url(&[byte; 100]) })
}

#[tokio::test]
async fn what_is_missing_is_listed_up_to_a_thousand_ranges() {
    let server = Server::start();
    let http = Http::new(&server);
    let total = 2 * u32::try_from(MAX_MISSING_RANGES).expect("fits") + 2;
    let sample = Sample::new(u64::from(total) * 1024, 1024);
    sample.create_with(&http, &sample.seed_request()).await.ok();
    let everything = sample.complete(&http).await.is(ProblemType::ChunksMissing);
    assert_eq!((everything.missing, everything.more), (Some(vec![[0, total - 1]]), Some(false)));

    let put = |index| {
        let (http, sample) = (&http, &sample);
        async move { sample.put(http, index, 0).await.ok() }
    };
    // Every second one: 1001 gaps of one chunk.
    stream::iter((1..total).step_by(2)).map(put).buffer_unordered(16).for_each(|_| async {}).await;
    let gaps = |count: u32| -> Vec<[u32; 2]> { (0..count).map(|gap| [2 * gap, 2 * gap]).collect() };
    let problem = sample.complete(&http).await.is(ProblemType::ChunksMissing);
    assert_eq!((problem.missing, problem.more), (Some(gaps(1000)), Some(true)));
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.stored_chunks, status.missing, status.more), (total / 2, gaps(1000), true));

    put(total - 2).await;
    let problem = sample.complete(&http).await.is(ProblemType::ChunksMissing);
    assert_eq!((problem.missing, problem.more), (Some(gaps(1000)), Some(false)));
}

#[tokio::test]
async fn completing_again_gives_the_same_answer() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(65_537, 65_536);
    sample.send(&http).await;
    let first = complete_with(&http, sample.id, "").await.ok();
    for body in ["", "{}", " {} ", "{\"sealed_metadata\":null}"] {
        assert_eq!(complete_with(&http, sample.id, body).await.ok().body, first.body, "{body:?}");
    }
    let response: CompleteResponse = first.json();
    assert_eq!(response.transfer_id, sample.id);
    assert_eq!(response.transparency.file_size_bytes.get(), 65_537);
    assert_eq!(response.expires_at, response.completed_at + std::time::Duration::from_secs(7 * 24 * 3600));
    let manifest: Manifest = sample.manifest(&http).await.ok().json();
    assert_eq!((manifest.completed_at, manifest.expires_at), (response.completed_at, response.expires_at));

    assert_eq!(sample.put(&http, 1, 0).await.ok().status, 200, "the same bytes");
    sample.put(&http, 1, 9).await.is(ProblemType::ChunkConflict);
    assert_eq!(sample.get(&http, 1).await.ok().body, sample.chunk(1, 0));
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.stored_chunks, status.missing.len(), status.more), (2, 0, false));
}

#[tokio::test]
async fn a_body_that_is_none_completes_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    sample.put(&http, 0, 0).await.ok();
    for body in ["[]", "[null]", "null", "1", "x", "{\"surprise\":1}", "{\"sealed_metadata\":1}", "{}{}"] {
        complete_with(&http, sample.id, body).await.is(ProblemType::InvalidBody);
    }
    sample.manifest(&http).await.is(ProblemType::TransferPending);
    sample.complete(&http).await.ok();
}

#[tokio::test]
async fn sealed_metadata_is_set_once() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    let mut request = sample.create_request();
    request.sealed_metadata = None;
    sample.create_with(&http, &request).await.ok();
    let id = sample.id;
    // None was ever given, whether or not chunks are missing.
    complete_with(&http, id, "").await.is(ProblemType::SealedMetadataConflict);
    for len in [27, (1 << 20) + 1] {
        let body = json!({ "sealed_metadata": to_base64url(&vec![7; len]) }).to_string();
        complete_with(&http, id, body).await.is(ProblemType::InvalidBody);
    }
    // Kept, though a chunk is missing.
    complete_with(&http, id, sealed(1).to_string()).await.is(ProblemType::ChunksMissing);
    complete_with(&http, id, sealed(2).to_string()).await.is(ProblemType::SealedMetadataConflict);
    sample.put(&http, 0, 0).await.ok();
    complete_with(&http, id, sealed(2).to_string()).await.is(ProblemType::SealedMetadataConflict);
    sample.manifest(&http).await.is(ProblemType::TransferPending);

    let first = complete_with(&http, id, sealed(1).to_string()).await.ok().body;
    for body in ["".to_owned(), sealed(1).to_string()] {
        assert_eq!(complete_with(&http, id, body).await.ok().body, first);
    }
    complete_with(&http, id, sealed(2).to_string()).await.is(ProblemType::SealedMetadataConflict);
    let manifest: Manifest = sample.manifest(&http).await.ok().json();
    assert_eq!(manifest.sealed_metadata, Some(Base64Url(vec![1; 100])));
    // Create without it is still the same create.
    sample.create_with(&http, &request).await.ok();
    sample.create(&http).await.is(ProblemType::TransferExists);
}

#[tokio::test]
async fn a_seed_transfer_takes_no_sealed_metadata() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 1024);
    sample.create_with(&http, &sample.seed_request()).await.ok();
    sample.put(&http, 0, 0).await.ok();
    complete_with(&http, sample.id, sealed(1).to_string()).await.is(ProblemType::MixedKind);
    complete_with(&http, sample.id, "").await.ok();
    complete_with(&http, sample.id, sealed(1).to_string()).await.is(ProblemType::MixedKind);
    let manifest: Manifest = Reply::to(http.get(&format!("/api/transfers/manifest/{}", sample.id))).await.ok().json();
    assert_eq!((manifest.sealed_metadata, manifest.key_check, manifest.kdf), (None, None, None));
}
