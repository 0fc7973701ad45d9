//! Ranged reads of one chunk and of all chunks end to end, byte for byte.

use std::ops::Range;

use haulier_wire::ProblemType;
use reqwest::Method;
use reqwest::header::RANGE;

use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server};

/// One thing that can be read in ranges.
struct Content {
    path: String,
    bytes: Vec<u8>,
}

impl Content {
    async fn get(&self, http: &Http, range: &str) -> Reply {
        Reply::to(http.get(&self.path).bearer_auth(DOWNLOAD_TOKEN).header(RANGE, range)).await
    }

    async fn gives(&self, http: &Http, range: &str, expected: Range<usize>) {
        let reply = self.get(http, range).await.ok();
        assert_eq!(reply.status, 206, "{range} of {}", self.path);
        let place = format!("bytes {}-{}/{}", expected.start, expected.end - 1, self.bytes.len());
        assert_eq!(reply.header("content-range"), place);
        assert_eq!(reply.header("content-length"), expected.len().to_string());
        assert!(reply.body == self.bytes[expected], "{range} of {}", self.path);
    }
}

/// A transfer of five chunks, the last of them short: each chunk, and the whole.
async fn contents(http: &Http) -> Vec<Content> {
    let sample = Sample::new(4 * 1024 + 100, 1024);
    sample.create_with(http, &sample.seed_request()).await.ok();
    for index in 0..5 {
        sample.put(http, index, 0).await.ok();
    }
    sample.complete(http).await.ok();
    let id = sample.id;
    let whole = Content { path: format!("/api/transfers/download/{id}"), bytes: sample.whole() };
    let chunk =
        |index| Content { path: format!("/api/transfers/download/{id}/chunk/{index}"), bytes: sample.chunk(index, 0) };
    vec![chunk(0), chunk(4), whole]
}

#[tokio::test]
async fn single_ranges_give_exactly_their_bytes() {
    let server = Server::start();
    let http = Http::new(&server);
    for content in contents(&http).await {
        let len = content.bytes.len();
        content.gives(&http, "bytes=0-0", 0..1).await;
        content.gives(&http, "bytes=0-", 0..len).await;
        content.gives(&http, &format!("bytes={}-", len - 1), len - 1..len).await;
        content.gives(&http, &format!("bytes=0-{}", len + 5), 0..len).await;
        content.gives(&http, "bytes=-1", len - 1..len).await;
        content.gives(&http, "bytes=-29", len - 29..len).await;
        content.gives(&http, &format!("bytes=-{}", len + 1), 0..len).await;
        // Around the borders of sealed chunks, 1052 bytes apart, and far across them.
        let starts = [0, 1, 1051, 1052, 1053, 2104, 3156, 4207].into_iter().filter(|start| *start < len);
        for start in starts {
            for size in [1, 2, 1051, 1052, 1053, 3000].into_iter().filter(|size| start + size <= len) {
                content.gives(&http, &format!("bytes={start}-{}", start + size - 1), start..start + size).await;
            }
        }
    }
}

#[tokio::test]
async fn many_ranges_taken_at_random() {
    let server = Server::start();
    let http = Http::new(&server);
    let contents = contents(&http).await;
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("fits") % below
    };
    for round in 0..300 {
        let content = &contents[round % contents.len()];
        let start = random(content.bytes.len());
        let end = start + 1 + random(content.bytes.len() - start);
        content.gives(&http, &format!("bytes={start}-{}", end - 1), start..end).await;
    }
}

#[tokio::test]
async fn what_lies_outside_is_416_and_what_is_no_single_range_is_ignored() {
    let server = Server::start();
    let http = Http::new(&server);
    for content in contents(&http).await {
        let len = content.bytes.len();
        for range in [format!("bytes={len}-"), format!("bytes={len}-{len}"), "bytes=-0".into(), "bytes=999999-".into()]
        {
            let reply = content.get(&http, &range).await;
            assert_eq!(reply.header("content-range"), format!("bytes */{len}"), "{range}");
            reply.is(ProblemType::RangeNotSatisfiable);
        }
        for range in ["bytes=0-1,5-6", "bytes=5-1", "bytes=-", "bytes=x-y", "bytes 0-1", "chunks=0-1", "0-1"] {
            let reply = content.get(&http, range).await.ok();
            assert_eq!((reply.status.as_u16(), reply.headers.get("content-range")), (200, None), "{range}");
            assert!(reply.body == content.bytes, "{range}");
        }
    }
}

#[tokio::test]
async fn head_says_what_get_would_without_a_byte() {
    let server = Server::start();
    let http = Http::new(&server);
    for content in contents(&http).await {
        let [get, head] = [Method::GET, Method::HEAD]
            .map(|method| Reply::to(http.request(method, &content.path).bearer_auth(DOWNLOAD_TOKEN)));
        let (get, head) = (get.await.ok(), head.await.ok());
        assert_eq!((get.body.len(), head.body.len()), (content.bytes.len(), 0));
        assert_eq!(head.header("content-length"), content.bytes.len().to_string());
        assert_eq!(head.header("accept-ranges"), "bytes");
        let but_the_date = |reply: &Reply| {
            let mut headers = reply.headers.clone();
            headers.remove("date");
            headers
        };
        assert_eq!(but_the_date(&head), but_the_date(&get), "{}", content.path);
        let ranged = http.request(Method::HEAD, &content.path).bearer_auth(DOWNLOAD_TOKEN).header("range", "bytes=1-2");
        let ranged = Reply::to(ranged).await.ok();
        assert_eq!(but_the_date(&ranged), but_the_date(&get), "Range is for GET alone");
        assert_eq!(ranged.status.as_u16(), 200);
    }
}
