//! The log of requests: one line each, when the last byte has left, under an id that the client was told.

use haulier_wire::Problem;
use serde_json::Value;

use crate::harness::{Connection, Http, Reply, Sample, Server, ServerOptions, eventually};

struct Logged {
    server: Server,
    http: Http,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Logged {
    fn start() -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("server.log");
        let options = ServerOptions::default().env("HAULIER_LOG_FORMAT", "json").log_to(&path);
        let server = Server::start_with(options);
        Self { http: Http::new(&server), server, path, _folder: folder }
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    /// Request lines once there are so many.
    async fn requests(&self, count: usize) -> Vec<Value> {
        let requests =
            || -> Vec<Value> { self.lines().into_iter().filter(|line| line["message"] == "request").collect() };
        eventually("all requests are logged", || requests().len() >= count).await;
        requests()
    }
}

fn request_id(problem: &Problem) -> String {
    problem.instance.as_deref().and_then(|instance| instance.rsplit(':').next()).expect("an id").to_owned()
}

#[tokio::test]
async fn each_request_leaves_one_line_with_what_really_travelled() {
    let logged = Logged::start();
    let sample = Sample::new(65_536, 65_536);
    let created = sample.create(&logged.http).await.ok().body.len();
    let put = sample.put(&logged.http, 0, 0).await.ok().body.len();
    sample.complete(&logged.http).await.ok();
    sample.get(&logged.http, 0).await.ok();
    let path = format!("/api/transfers/download/{}/chunk/0", sample.id);
    let token = crate::harness::DOWNLOAD_TOKEN;
    Reply::to(logged.http.request(reqwest::Method::HEAD, &path).bearer_auth(token)).await.ok();
    Reply::to(logged.http.get("/nowhere")).await;
    let requests = logged.requests(6).await;
    assert_eq!(requests.len(), 6, "{requests:#?}");
    let create = serde_json::to_vec(&sample.create_request()).expect("JSON").len();
    let travelled = |line: &Value| (line["received_bytes"].as_u64(), line["sent_bytes"].as_u64());
    let expect = |received: usize, sent: usize| (Some(received as u64), Some(sent as u64));
    assert_eq!(travelled(&requests[0]), expect(create, created));
    assert_eq!(travelled(&requests[1]), expect(65_564, put));
    assert_eq!(travelled(&requests[3]), expect(0, 65_564));
    assert_eq!(travelled(&requests[4]), expect(0, 0), "HEAD");
    assert_eq!((&requests[5]["http.route"], &requests[5]["http.status"]), (&"none".into(), &404.into()));
    for line in &requests {
        assert!(line["duration_ms"].as_u64() >= line["head_ms"].as_u64() && line["head_ms"].is_u64(), "{line}");
        assert!(line["cut"].is_null(), "{line}");
    }
    let ids: std::collections::BTreeSet<_> = requests.iter().filter_map(|line| line["request.id"].as_str()).collect();
    assert_eq!(ids.len(), 6, "an id each");
}

#[tokio::test]
async fn a_problem_names_its_request_and_so_does_its_cause() {
    let logged = Logged::start();
    let sample = Sample::new(1, 65_536);
    sample.send(&logged.http).await;
    let not_found = request_id(&Reply::to(logged.http.get("/nowhere")).await.json());
    std::fs::remove_file(logged.server.chunk_path(sample.id.as_str(), 0)).expect("removed");
    let failed = request_id(&sample.get(&logged.http, 0).await.json());
    let requests = logged.requests(5).await;
    let of = |id: &str| -> Vec<&Value> { requests.iter().filter(|line| line["request.id"] == id).collect() };
    assert_eq!(of(&not_found).len(), 1);
    assert_eq!(of(&not_found)[0]["http.status"], 404);
    assert_eq!(of(&failed).len(), 1);
    assert_eq!(of(&failed)[0]["http.status"], 500);
    let lines = logged.lines();
    let cause = lines.iter().find(|line| line["message"] == "a request failed on our side").expect("its cause");
    assert_eq!(cause["span"]["id"], failed, "{cause}");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_line_too() {
    let logged = Logged::start();
    let sample = Sample::new(65_536, 65_536);
    sample.create(&logged.http).await.ok();
    let mut upload = Connection::open(&logged.server).await;
    upload.send(sample.put_head(0, "content-length: 65564\r\n")).await;
    upload.send([7; 1000]).await;
    let staging = logged.server.data_dir().join("blobs/staging");
    eventually("it is being staged", || !crate::harness::files_below(&staging).is_empty()).await;
    drop(upload);
    let requests = logged.requests(2).await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1]["http.route"], "/api/transfers/upload/{id}/chunk/{n}");
    assert_eq!(requests[1]["received_bytes"], 1000, "{}", requests[1]);
}
