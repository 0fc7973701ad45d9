//! Content-Digest: verified before anything is kept, and given back to readers.

use haulier_wire::ProblemType;
use haulier_wire::api::UploadStatus;
use haulier_wire::encoding::to_base64;
use sha2::{Digest as _, Sha256};

use crate::harness::{Http, Reply, Sample, Server, eventually, files_below};

fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", to_base64(&Sha256::digest(bytes)))
}

async fn put_with(http: &Http, sample: &Sample, index: u32, digests: &[&str]) -> Reply {
    let request = sample.put_request(http, index, sample.chunk(index, 0));
    Reply::to(digests.iter().fold(request, |request, digest| request.header("content-digest", *digest))).await
}

#[tokio::test]
async fn a_wrong_digest_keeps_nothing_and_the_right_one_stores() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(65_536, 65_536);
    sample.create(&http).await.ok();
    let right = digest(&sample.chunk(0, 0));
    let wrong = digest(b"something else");
    for digests in [vec![&*wrong], vec![&*right, &*wrong], vec![&*format!("{right}, {wrong}")]] {
        put_with(&http, &sample, 0, &digests).await.is(ProblemType::DigestMismatch);
    }
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.stored_chunks, 0);
    let staging = server.data_dir().join("blobs/staging");
    eventually("staging is empty", || files_below(&staging).is_empty()).await;
    // The wrong digest reserved nothing: other bytes may still have the index.
    assert_eq!(put_with(&http, &sample, 0, &[&right]).await.ok().status, 201);
    assert_eq!(put_with(&http, &sample, 0, &[&right]).await.ok().status, 200);
    put_with(&http, &sample, 0, &[&wrong]).await.is(ProblemType::DigestMismatch);
}

#[tokio::test]
async fn a_digest_that_cannot_be_read_is_refused() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    let right = digest(&sample.chunk(0, 0));
    let short = format!("sha-256=:{}:", to_base64(&[0; 31]));
    let long = format!("sha-256=:{}:", to_base64(&[0; 33]));
    for value in [
        "",
        "sha-256",
        "sha-256=",
        "sha-256=::",
        "sha-256=:!:",
        &short,
        &long,
        &right.replace("=:", "="),
        &right.replace("=:\u{0}", ""),
        right.trim_end_matches(':'),
        &right.replace("=:", "=:A"),
        &format!("{right},"),
        &format!("{right}, sha-512"),
    ] {
        if value == right {
            continue;
        }
        put_with(&http, &sample, 0, &[value]).await.is(ProblemType::InvalidRequest);
    }
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.stored_chunks, 0);
}

#[tokio::test]
async fn readers_get_the_digest_only_where_it_was_verified() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(4 * 65_536, 65_536);
    sample.create(&http).await.ok();
    let digests: Vec<String> = (0..4).map(|index| digest(&sample.chunk(index, 0))).collect();
    let sha512 = "sha-512=:AAAA:".to_owned();
    put_with(&http, &sample, 0, &[&digests[0]]).await.ok();
    put_with(&http, &sample, 1, &[]).await.ok();
    put_with(&http, &sample, 2, &[&format!("{sha512}, {}", digests[2])]).await.ok();
    // An algorithm that we do not know is not verified.
    put_with(&http, &sample, 3, &[&sha512]).await.ok();
    // The second writer of the same bytes brings a digest that the first did not: nothing is stored any more.
    assert_eq!(put_with(&http, &sample, 1, &[&digests[1]]).await.ok().status, 200);
    sample.complete(&http).await.ok();
    for (index, expected) in [(0, Some(&digests[0])), (1, None), (2, Some(&digests[2])), (3, None)] {
        let reply = sample.get(&http, index).await.ok();
        let found = reply.headers.get("repr-digest").map(|value| value.to_str().expect("ASCII"));
        assert_eq!(found, expected.map(String::as_str), "chunk {index}");
    }
}
