//! A transfer from create to delete.

use haulier_wire::ProblemType;
use haulier_wire::api::{ChunkResponse, ChunkStatus, Manifest, TransferState, UploadStatus};

use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server};

#[tokio::test]
async fn goes_up_in_any_order_and_comes_down_as_it_was() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(3 * 65536 + 1, 65536);
    assert_eq!(sample.create(&http).await.ok().status, 201);

    for index in [2, 0, 3] {
        let stored: ChunkResponse = sample.put(&http, index, 0).await.ok().json();
        assert_eq!(stored.status, ChunkStatus::Stored);
        assert_eq!(stored.blake3, blake3::hash(&sample.chunk(index, 0)).to_hex().to_string());
    }
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!((status.state, status.stored_chunks, status.missing), (TransferState::Pending, 3, vec![[1, 1]]));
    let problem = sample.complete(&http).await.is(ProblemType::ChunksMissing);
    assert_eq!((problem.missing, problem.more), (Some(vec![[1, 1]]), Some(false)));
    sample.get(&http, 0).await.is(ProblemType::TransferPending);

    sample.put(&http, 1, 0).await.ok();
    let first = sample.complete(&http).await.ok().body;
    assert_eq!(sample.complete(&http).await.ok().body, first, "complete again answers the same");

    let path = format!("/api/transfers/manifest/{}", sample.id);
    let manifest: Manifest = Reply::to(http.get(&path).bearer_auth(DOWNLOAD_TOKEN)).await.ok().json();
    assert_eq!(manifest.total_chunks.get(), 4);
    assert_eq!(manifest.last_chunk_size.get(), 1);
    for index in 0..4 {
        assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
    }
    let path = format!("/api/transfers/download/{}", sample.id);
    assert_eq!(Reply::to(http.get(&path).bearer_auth(DOWNLOAD_TOKEN)).await.ok().body, sample.whole());
}
