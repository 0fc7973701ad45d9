//! Known traffic, and what is counted of it.

use std::time::Duration;

use reqwest::Method;

use super::{scrape_until, start, start_with};
use crate::harness::{Connection, DOWNLOAD_TOKEN, Http, Reply, Sample, Scrape, ServerOptions, eventually};

const RECEIVED: &str = "haulier_http_received_bytes_total";
const SENT: &str = "haulier_http_sent_bytes_total";
const REQUESTS: &str = "haulier_http_requests_total";
const CHUNK_IN: (&str, &str) = ("route", "/api/transfers/upload/{id}/chunk/{n}");
const CHUNK_OUT: (&str, &str) = ("route", "/api/transfers/download/{id}/chunk/{n}");

async fn get(http: &Http, method: Method, path: String, range: Option<&str>) -> usize {
    let mut request = http.request(method, &path).bearer_auth(DOWNLOAD_TOKEN);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    Reply::to(request).await.ok().body.len()
}

#[tokio::test]
async fn bytes_and_requests_are_exact() {
    let (_server, http) = start();
    let before = Scrape::of(&http).await;
    let sample = Sample::new(3 * 65_536 - 1000, 65_536);
    let create = serde_json::to_vec(&sample.create_request()).expect("JSON").len();
    let mut sent = sample.create(&http).await.ok().body.len();
    for index in 0..3 {
        sent += sample.put(&http, index, 0).await.ok().body.len();
    }
    // Once more, and other bytes: both bodies arrive, whatever is answered.
    sent += sample.put(&http, 0, 0).await.ok().body.len();
    sent += sample.put(&http, 1, 1).await.body.len();
    sent += sample.complete(&http).await.ok().body.len();
    let chunk = format!("/api/transfers/download/{}/chunk/0", sample.id);
    sent += get(&http, Method::GET, chunk.clone(), None).await;
    sent += get(&http, Method::GET, chunk.clone(), Some("bytes=100-299")).await;
    sent += get(&http, Method::GET, format!("/api/transfers/download/{}", sample.id), None).await;
    // The length is announced, and not a byte of it is sent.
    assert_eq!(get(&http, Method::HEAD, chunk, None).await, 0);

    // Bytes are counted before they leave, so the first look has them all; of looks, only those before it.
    let after = Scrape::of(&http).await;
    let more = |name| after.value(name) - before.value(name);
    let received: usize = [0, 1, 2, 0, 1].iter().map(|index| sample.chunk(*index, 0).len()).sum();
    assert_eq!(more(RECEIVED), (create + received) as f64);
    assert_eq!(more(SENT), (sent + before.text.len()) as f64);

    let after = scrape_until(&http, "all have ended", |scrape| {
        scrape.sum(REQUESTS, &[CHUNK_IN]) == 5.0 && scrape.sum(REQUESTS, &[CHUNK_OUT]) == 3.0
    });
    let after = after.await;
    for (expected, labels) in [
        (3.0, [CHUNK_IN, ("method", "PUT"), ("status", "201")]),
        (1.0, [CHUNK_IN, ("method", "PUT"), ("status", "200")]),
        (1.0, [CHUNK_IN, ("method", "PUT"), ("status", "409")]),
        (1.0, [CHUNK_OUT, ("method", "GET"), ("status", "200")]),
        (1.0, [CHUNK_OUT, ("method", "GET"), ("status", "206")]),
        (1.0, [CHUNK_OUT, ("method", "HEAD"), ("status", "200")]),
        (1.0, [("route", "/api/transfers/create"), ("method", "POST"), ("status", "201")]),
    ] {
        assert_eq!(after.sum(REQUESTS, &labels), expected, "{labels:?}");
    }
    for name in ["haulier_http_request_duration_seconds_count", "haulier_http_response_head_seconds_count"] {
        assert_eq!(after.sum(name, &[CHUNK_IN]), 5.0, "{name}");
    }
    assert_eq!(after.value("haulier_http_cut_total"), 0.0);
}

#[tokio::test]
async fn the_steps_of_both_stores_are_counted() {
    let (_server, http) = start_with(ServerOptions::on_sqlite());
    let sample = Sample::new(3 * 65_536, 65_536);
    sample.send(&http).await;
    sample.get(&http, 0).await.ok();
    sample.get(&http, 1).await.ok();
    // Of a file no byte passes through the store: it is opened, once for each chunk.
    get(&http, Method::GET, format!("/api/transfers/download/{}", sample.id), None).await;
    let after = Scrape::of(&http).await;
    let blob = |step| after.sum("haulier_blob_step_seconds_count", &[("backend", "disk"), ("step", step)]);
    let database = |step| after.sum("haulier_database_step_seconds_count", &[("backend", "sqlite"), ("step", step)]);
    for step in ["stage", "write", "finish", "publish"] {
        assert_eq!(blob(step), 3.0, "{step}");
    }
    assert_eq!((blob("open"), blob("first_byte")), (5.0, 0.0));
    for step in ["reserve", "store"] {
        assert_eq!(database(step), 3.0, "{step}");
    }
    assert_eq!((database("create"), database("complete")), (1.0, 1.0));
    let batches = [("backend", "sqlite")];
    assert_eq!(after.sum("haulier_database_batch_records_sum", &batches), 6.0);
    assert_eq!(after.sum("haulier_database_batch_records_count", &batches), database("commit"));
    for pool in ["writer", "readers"] {
        let of = |name, state: &str| after.sum(name, &[("pool", pool), ("state", state)]);
        assert!(after.sum("haulier_database_acquires_total", &[("pool", pool)]) >= 3.0, "{pool}");
        assert!(after.sum("haulier_database_acquire_seconds_total", &[("pool", pool)]) > 0.0, "{pool}");
        let most = of("haulier_database_connections", "most");
        assert_eq!(most, if pool == "writer" { 1.0 } else { 4.0 });
        let open = of("haulier_database_connections", "idle") + of("haulier_database_connections", "used");
        assert!((1.0..=most).contains(&open), "{pool}: {open}");
    }
    assert_eq!(after.value("haulier_blob_buffer_used_bytes"), 0.0);
    assert!(after.value("process_resident_memory_bytes") > 1e6);
    assert!((5.0..1000.0).contains(&after.value("process_open_fds")));
    assert!(after.value("process_max_fds") > after.value("process_open_fds"));
    assert!(after.value("process_cpu_seconds_total") > 0.0);
    assert!(after.value("process_start_time_seconds") > 1.7e9);
    assert_eq!(after.sum("haulier_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

#[tokio::test]
async fn an_upload_that_stops_counts_what_arrived() {
    let (server, http) = start();
    let sample = Sample::new(65_536, 65_536);
    sample.create(&http).await.ok();
    let before = Scrape::of(&http).await.value(RECEIVED);
    let mut upload = Connection::open(&server).await;
    upload.send(sample.put_head(0, "content-length: 65564\r\n")).await;
    upload.send([7; 1000]).await;
    let open = scrape_until(&http, "the upload is open", |scrape| scrape.value(RECEIVED) > before).await;
    assert_eq!(open.value("haulier_open_uploads"), 1.0);
    assert_eq!(open.value("haulier_requests_under_way"), 1.0);
    assert_eq!(open.value("haulier_request_places_left"), 511.0);
    drop(upload);
    let after = scrape_until(&http, "it is over", |scrape| scrape.value("haulier_open_uploads") == 0.0).await;
    assert_eq!(after.value(RECEIVED) - before, 1000.0);
    scrape_until(&http, "its place is free", |scrape| scrape.value("haulier_requests_under_way") == 0.0).await;
}

#[tokio::test]
async fn a_download_that_stops_counts_what_was_sent() {
    const SIZE: u64 = 48 << 20;
    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("server.log");
    let (server, http) = start_with(ServerOptions::default().log_to(&log));
    let sample = Sample::new(SIZE, SIZE);
    sample.send(&http).await;
    let mut download = Connection::open(&server).await;
    let path = format!("/api/transfers/download/{}/chunk/0", sample.id);
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DOWNLOAD_TOKEN}\r\n\r\n");
    download.send(head).await;
    // It sends what fits between the two, and then waits for its reader.
    let open = scrape_until(&http, "it is open", |scrape| scrape.value("haulier_open_downloads") == 1.0).await;
    assert_eq!(open.sum(REQUESTS, &[CHUNK_OUT]), 0.0, "it has not ended");
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(download);
    let after = scrape_until(&http, "it is over", |scrape| scrape.value("haulier_open_downloads") == 0.0).await;
    assert_eq!(after.value("haulier_http_cut_total"), 1.0);
    assert_eq!(after.sum(REQUESTS, &[CHUNK_OUT, ("status", "200")]), 1.0);

    let logged = std::fs::read_to_string(&log).expect("a log");
    let line = logged.lines().find(|line| line.contains("/download/")).expect("a line");
    let sent = line.split("sent_bytes=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a count");
    let sent: f64 = sent.parse().expect("a number");
    assert!(line.contains("cut=true"), "{line}");
    assert!((65_536.0..(SIZE / 2) as f64).contains(&sent), "{line}");
    // Every answer has its line: both accounts are the same, once the last look's own line is there.
    let counted = after.value(SENT) + after.text.len() as f64;
    eventually("the log and the counter agree", || {
        let logged = std::fs::read_to_string(&log).expect("a log");
        let counts = logged.split("sent_bytes=").skip(1).filter_map(|rest| rest.split(' ').next());
        counts.map(|count| count.parse::<f64>().expect("a number")).sum::<f64>() == counted
    })
    .await;
}

#[tokio::test]
async fn a_request_without_a_place_is_refused_and_counted() {
    let (server, http) = start_with(ServerOptions::default().env("HAULIER_MAX_REQUESTS", "1"));
    let sample = Sample::new(65_536, 65_536);
    sample.create(&http).await.ok();
    let mut upload = Connection::open(&server).await;
    upload.send(sample.put_head(0, "content-length: 65564\r\n")).await;
    scrape_until(&http, "the place is taken", |scrape| scrape.value("haulier_request_places_left") == 0.0).await;
    for _ in 0..3 {
        assert_eq!(sample.info(&http).await.status, 503);
    }
    // A full server can still be looked at.
    let after = Scrape::of(&http).await;
    assert_eq!(after.value("haulier_requests_refused_total"), 3.0);
    drop(upload);
}

#[tokio::test]
async fn sweeps_and_failures_are_counted() {
    let (server, http) = start();
    let sample = Sample::new(1, 65_536);
    sample.send(&http).await;
    sample.delete(&http).await.ok();
    let swept = scrape_until(&http, "swept", |scrape| scrape.value("haulier_swept_transfers_total") == 1.0).await;
    assert!(swept.sum("haulier_sweeps_total", &[("result", "done")]) >= 1.0);
    assert_eq!(swept.sum("haulier_sweeps_total", &[("result", "failed")]), 0.0);
    assert!(swept.value("haulier_sweep_seconds_count") >= 1.0);
    let failures = [("backend", "disk"), ("kind", "internal")];
    assert_eq!(swept.sum("haulier_store_errors_total", &failures), 0.0);
    std::fs::rename(server.data_dir().join("blobs"), server.data_dir().join("elsewhere")).expect("renamed");
    assert!(Reply::to(http.get("/readyz")).await.status.is_server_error());
    assert_eq!(Scrape::of(&http).await.sum("haulier_store_errors_total", &failures), 1.0);
}
