//! Delete: from the answer on nothing is read or written, the bytes go, the tombstone stays.

use haulier_wire::ProblemType;
use haulier_wire::api::{DeleteResponse, DeleteStatus};
use reqwest::Method;

use crate::harness::{Connection, DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server, eventually, files_below};

/// Every route of a transfer, delete apart, must answer one kind of problem.
pub(crate) async fn every_route_is(http: &Http, sample: &Sample, kind: ProblemType) {
    sample.create(http).await.is(kind);
    for index in 0..sample.layout.total_chunks() {
        sample.put(http, index, 0).await.is(kind);
        sample.put(http, index, 9).await.is(kind);
        sample.get(http, index).await.is(kind);
    }
    sample.status(http).await.is(kind);
    sample.patch(http, "{\"expires_in_seconds\":3600}").await.is(kind);
    sample.complete(http).await.is(kind);
    sample.info(http).await.is(kind);
    sample.manifest(http).await.is(kind);
    for (path, token) in [
        ("upload/{}", OWNER_TOKEN),
        ("info/{}", ""),
        ("manifest/{}", DOWNLOAD_TOKEN),
        ("download/{}", DOWNLOAD_TOKEN),
        ("download/{}/chunk/0", DOWNLOAD_TOKEN),
    ] {
        let path = format!("/api/transfers/{}", path.replace("{}", sample.id.as_str()));
        for method in [Method::GET, Method::HEAD] {
            let request = http.request(method.clone(), &path);
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            assert_eq!(Reply::to(request).await.status.as_u16(), kind.status(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn nothing_is_read_or_written_afterwards() {
    let server = Server::start();
    let http = Http::new(&server);
    for is_complete in [false, true] {
        let sample = Sample::new(65_537, 65_536);
        if is_complete {
            sample.send(&http).await;
        } else {
            sample.create(&http).await.ok();
            sample.put(&http, 0, 0).await.ok();
        }
        let deleted: DeleteResponse = sample.delete(&http).await.ok().json();
        assert_eq!((deleted.status, deleted.transfer_id), (DeleteStatus::Deleted, sample.id));
        every_route_is(&http, &sample, ProblemType::TransferDeleted).await;
        let again: DeleteResponse = sample.delete(&http).await.ok().json();
        assert_eq!(again.status, DeleteStatus::AlreadyDeleted);

        let folder = server.data_dir().join(format!("blobs/transfers/{}", sample.id));
        eventually("its folder is gone", || !folder.exists()).await;
        every_route_is(&http, &sample, ProblemType::TransferDeleted).await;
        let again: DeleteResponse = sample.delete(&http).await.ok().json();
        assert_eq!(again.status, DeleteStatus::AlreadyDeleted, "the tombstone stays");
        let delete = http.request(Method::DELETE, &format!("/api/transfers/delete/{}", sample.id));
        Reply::to(delete.bearer_auth("wrong")).await.is(ProblemType::WrongToken);
    }
}

#[tokio::test]
async fn another_transfer_is_not_touched() {
    let server = Server::start();
    let http = Http::new(&server);
    let (kept, gone) = (Sample::new(65_537, 65_536), Sample::new(65_537, 65_536));
    kept.send(&http).await;
    gone.send(&http).await;
    gone.delete(&http).await.ok();
    let folder = server.data_dir().join(format!("blobs/transfers/{}", gone.id));
    eventually("its folder is gone", || !folder.exists()).await;
    for index in 0..2 {
        assert_eq!(kept.get(&http, index).await.ok().body, kept.chunk(index, 0));
    }
}

#[tokio::test]
async fn a_chunk_that_is_on_its_way_is_410_and_leaves_no_file() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1 << 20, 1 << 20);
    sample.create(&http).await.ok();
    let body = sample.chunk(0, 0);
    let mut connection = Connection::open(&server).await;
    connection.send(sample.put_head(0, &format!("content-length: {}\r\n", body.len()))).await;
    connection.send(&body[..body.len() / 2]).await;
    let blobs = server.data_dir().join("blobs");
    eventually("the chunk is being staged", || !files_below(&blobs.join("staging")).is_empty()).await;

    sample.delete(&http).await.ok();
    connection.send(&body[body.len() / 2..]).await;
    connection.reply().await.expect("an answer").is(ProblemType::TransferDeleted);
    eventually("no file is left", || {
        let files = files_below(&blobs);
        files.iter().all(|path| path.ends_with("lock") || path.ends_with("staging") || path.ends_with("transfers"))
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_expiry_that_races_it_brings_nothing_back() {
    let server = Server::start();
    let http = Http::new(&server);
    for _ in 0..20 {
        let sample = Sample::new(1, 65_536);
        sample.send(&http).await;
        let patch = || sample.patch(&http, "{\"expires_in_seconds\":3600}");
        let (first, second, deleted, third) = tokio::join!(patch(), patch(), sample.delete(&http), patch());
        deleted.ok();
        for patched in [first, second, third] {
            assert!(matches!(patched.status.as_u16(), 200 | 410), "{patched:?}");
        }
        let folder = server.data_dir().join(format!("blobs/transfers/{}", sample.id));
        eventually("no meta.json is left", || files_below(&folder).is_empty()).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(files_below(&folder).is_empty(), "{:?}", files_below(&folder));
    }
}
