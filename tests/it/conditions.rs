//! Conditional reads: If-None-Match, If-Match, If-Range.

use haulier_wire::ProblemType;
use reqwest::RequestBuilder;

use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server};

struct Reader {
    http: Http,
    path: String,
}

impl Reader {
    fn request(&self, headers: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.get(&self.path).bearer_auth(DOWNLOAD_TOKEN);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Reply {
        Reply::to(self.request(headers)).await
    }
}

/// A completed transfer of two chunks: (its manifest, a chunk, the whole).
async fn readers(server: &Server) -> (Reader, Reader, Reader) {
    let http = Http::new(server);
    let sample = Sample::new(65_537, 65_536);
    sample.send(&http).await;
    let reader = |path: &str| Reader { http: http.clone(), path: format!("/api/transfers/{path}") };
    let id = sample.id;
    (reader(&format!("manifest/{id}")), reader(&format!("download/{id}/chunk/0")), reader(&format!("download/{id}")))
}

#[tokio::test]
async fn if_none_match_saves_the_body() {
    let server = Server::start();
    let (manifest, chunk, whole) = readers(&server).await;
    for reader in [&manifest, &chunk, &whole] {
        let first = reader.get(&[]).await.ok();
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 20, "strong: {etag}");
        for tags in [etag.clone(), format!("W/{etag}"), "*".to_owned(), format!("\"x\", {etag}, \"y\"")] {
            let reply = reader.get(&[("if-none-match", &tags)]).await;
            assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{tags}: {}", reader.path);
            assert_eq!(reply.header("etag"), etag);
            assert_eq!(reply.header("cache-control"), first.header("cache-control"));
        }
        for tags in ["\"x\"", "\"x\", \"y\"", "W/\"x\"", "nonsense"] {
            let reply = reader.get(&[("if-none-match", tags)]).await.ok();
            assert_eq!((reply.status.as_u16(), reply.body), (200, first.body.clone()), "{tags}");
        }
    }
}

#[tokio::test]
async fn the_manifests_tag_changes_with_the_expiry() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.send(&http).await;
    let before = sample.manifest(&http).await.ok().header("etag").to_owned();
    assert_eq!(sample.manifest(&http).await.ok().header("etag"), before);
    sample.patch(&http, "{\"expires_in_seconds\":60}").await.ok();
    assert_ne!(sample.manifest(&http).await.ok().header("etag"), before);
}

#[tokio::test]
async fn if_match_refuses_other_content() {
    let server = Server::start();
    let (_, chunk, whole) = readers(&server).await;
    for reader in [&chunk, &whole] {
        let etag = reader.get(&[]).await.ok().header("etag").to_owned();
        for tags in [etag.clone(), "*".to_owned(), format!("\"x\", {etag}")] {
            reader.get(&[("if-match", &tags)]).await.ok();
        }
        for tags in ["\"x\"".to_owned(), format!("W/{etag}"), "\"x\", \"y\"".to_owned()] {
            reader.get(&[("if-match", &tags)]).await.is(ProblemType::PreconditionFailed);
        }
    }
}

#[tokio::test]
async fn if_range_holds_for_the_same_content_only() {
    let server = Server::start();
    let (_, chunk, whole) = readers(&server).await;
    for reader in [&chunk, &whole] {
        let first = reader.get(&[]).await.ok();
        let etag = first.header("etag").to_owned();
        for (condition, status) in [
            (etag.clone(), 206),
            (format!("W/{etag}"), 200),
            ("\"x\"".to_owned(), 200),
            ("Sat, 21 Nov 2026 13:49:23 GMT".to_owned(), 200),
            ("nonsense".to_owned(), 200),
        ] {
            let reply = reader.get(&[("range", "bytes=1-10"), ("if-range", &condition)]).await.ok();
            let expected = if status == 206 { first.body.slice(1..11) } else { first.body.clone() };
            assert_eq!(reply.status.as_u16(), status, "{condition}");
            assert!(reply.body == expected, "{condition}");
        }
    }
}
