//! The routes themselves: 404, 405, HEAD, the bare base, and what is not about one transfer.

use haulier_wire::ProblemType;
use haulier_wire::api::ServerConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server, ServerOptions};

const ID: &str = "00112233445566778899aabbccddeeff";

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = Server::start();
    let http = Http::new(&server);
    for path in [
        "/",
        "/index.html",
        "/api",
        "/api/",
        "/api/transfers",
        "/api/transfers/",
        "/transfers",
        "/api/transfers/creat",
        "/api/transfers/create/",
        "/api/transfers//create",
        "/API/transfers/create",
        "/api/transfers/upload",
        "/api/transfers/upload/",
        "/api/transfers/upload/x/y",
        "/api/transfers/download/x/chunk",
        "/api/config/",
        "/healthz/",
        "/metrics",
        "/d/x",
        "/..%2f..%2fetc%2fpasswd",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let reply = Reply::to(http.request(method.clone(), path)).await;
            assert_eq!(reply.status, 404, "{method} {path}");
            reply.is(ProblemType::RouteNotFound);
        }
        assert_eq!(Reply::to(http.request(Method::HEAD, path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn another_method_is_405_with_the_methods_that_are_allowed() {
    let server = Server::start();
    let http = Http::new(&server);
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let below_the_base = [
        ("create".to_owned(), "POST"),
        (format!("upload/{ID}/chunk/0"), "PUT, POST"),
        (format!("upload/{ID}"), "GET, HEAD, PATCH, POST"),
        (format!("complete/{ID}"), "POST"),
        (format!("manifest/{ID}"), "GET, HEAD"),
        (format!("info/{ID}"), "GET, HEAD"),
        (format!("download/{ID}/chunk/0"), "GET, HEAD"),
        (format!("download/{ID}"), "GET, HEAD"),
        (format!("download-base64/{ID}"), "GET, HEAD"),
        ("check-token/any".to_owned(), "GET, HEAD"),
        ("validate-token/any".to_owned(), "POST"),
        (format!("delete/{ID}"), "DELETE"),
    ];
    let bases = ["/api/transfers", "/transfers"];
    let routes = bases
        .iter()
        .flat_map(|base| below_the_base.iter().map(move |(path, allowed)| (format!("{base}/{path}"), *allowed)))
        .chain(
            ["/api/config", "/healthz", "/readyz", "/info/health", "/api/presigned/capabilities"]
                .map(|path| (path.to_owned(), "GET, HEAD")),
        );
    for (path, allowed) in routes {
        for method in methods.iter().chain([&Method::OPTIONS, &Method::TRACE]) {
            let reply = Reply::to(http.request(method.clone(), &path)).await;
            if allowed.split(", ").any(|name| name == method.as_str()) {
                assert_ne!(reply.status, 405, "{method} {path}");
            } else {
                assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, allowed), "{method} {path}");
                if *method != Method::HEAD {
                    reply.is(ProblemType::MethodNotAllowed);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_bare_base_answers_the_same() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    let create = http.post("/transfers/create").json(&sample.create_request());
    assert_eq!(Reply::to(create).await.ok().status, 201);
    let bare = |path: &str| format!("/transfers/{path}");
    let put = http.put(&bare(&format!("upload/{}/chunk/0", sample.id))).bearer_auth(OWNER_TOKEN);
    assert_eq!(Reply::to(put.body(sample.chunk(0, 0))).await.ok().status, 201);
    let complete = http.post(&bare(&format!("complete/{}", sample.id))).bearer_auth(OWNER_TOKEN);
    Reply::to(complete).await.ok();
    for (path, token) in [
        ("upload/{}", OWNER_TOKEN),
        ("info/{}", OWNER_TOKEN),
        ("manifest/{}", DOWNLOAD_TOKEN),
        ("download/{}/chunk/0", DOWNLOAD_TOKEN),
        ("download/{}", DOWNLOAD_TOKEN),
    ] {
        let path = path.replace("{}", sample.id.as_str());
        let [one, other] = [format!("/api/transfers/{path}"), bare(&path)]
            .map(|path| http.request(Method::HEAD, &path).bearer_auth(token));
        assert_eq!(
            Reply::to(one).await.ok().header("content-length"),
            Reply::to(other).await.ok().header("content-length")
        );
    }
    let delete = http.request(Method::DELETE, &bare(&format!("delete/{}", sample.id))).bearer_auth(OWNER_TOKEN);
    Reply::to(delete).await.ok();
}

#[tokio::test]
async fn head_of_every_readable_route_is_get_without_the_body() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.send(&http).await;
    for (path, token) in [
        ("/api/config".to_owned(), ""),
        ("/healthz".to_owned(), ""),
        ("/readyz".to_owned(), ""),
        (format!("/api/transfers/upload/{}", sample.id), OWNER_TOKEN),
        (format!("/api/transfers/info/{}", sample.id), ""),
        (format!("/api/transfers/manifest/{}", sample.id), DOWNLOAD_TOKEN),
    ] {
        let [get, head] = [Method::GET, Method::HEAD].map(|method| {
            let request = http.request(method, &path);
            Reply::to(if token.is_empty() { request } else { request.bearer_auth(token) })
        });
        let (get, head) = (get.await.ok(), head.await.ok());
        assert!(head.body.is_empty());
        for name in ["content-length", "content-type", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn config_says_what_a_client_must_know_before_it_picks_a_file() {
    let options = ServerOptions::default()
        .env("HAULIER_MAX_FILE_SIZE", "10GiB")
        .env("HAULIER_MAX_CHUNKS", "77")
        .env("HAULIER_DEFAULT_EXPIRY", "1h")
        .env("HAULIER_MAX_EXPIRY", "2h")
        .env("HAULIER_UPLOAD_EXPIRY", "3h")
        .env("HAULIER_CLIENT_TIMEOUT", "4s");
    let server = Server::start_with(options);
    let http = Http::new(&server);
    let reply = Reply::to(http.get("/api/config")).await.ok();
    let config: ServerConfig = reply.json();
    let shown: Value = serde_json::to_value(config).expect("JSON");
    assert_eq!(
        shown,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "max_file_bytes": 10_u64 << 30,
            "min_chunk_bytes": 65_536,
            "max_chunk_bytes": 67_108_864,
            "max_total_chunks": 77,
            "default_expires_in_seconds": 3600,
            "min_expires_in_seconds": 1,
            "max_expires_in_seconds": 7200,
            "upload_expires_in_seconds": 10_800,
            "client_timeout_seconds": 4,
            "download_limits": true,
            "access_token_required": false,
        })
    );
}

#[tokio::test]
async fn health_and_readiness() {
    let server = Server::start();
    let http = Http::new(&server);
    for path in ["/healthz", "/readyz"] {
        let reply = Reply::to(http.get(path)).await.ok();
        assert_eq!(reply.json::<Value>(), json!({"status": "ok"}));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // The store is gone: the process lives and is not ready.
    std::fs::rename(server.data_dir().join("blobs"), server.data_dir().join("elsewhere")).expect("renamed");
    Reply::to(http.get("/healthz")).await.ok();
    assert!(Reply::to(http.get("/readyz")).await.status.is_server_error());
}
