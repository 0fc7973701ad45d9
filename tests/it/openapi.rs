//! The document: served as it is kept, shown to people, and true of the live server.

use std::path::PathBuf;
use std::process::Command;

use haulier_wire::ByteLen;
use haulier_wire::api::CreateRequest;
use haulier_wire::legacy::PayloadCreated;
use serde_json::{Value, json};

use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Reply, Sample, Server};

/// What a response is compared with. Not among them: that whatever fits the schemas is accepted. Sizes that contradict
/// each other do, and no schema can say so.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      allow_header_conformance";
/// Requests for each operation and phase.
const MOST_EXAMPLES: &str = "40";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn the_document_that_is_kept_is_served() {
    let server = Server::start();
    let http = Http::new(&server);
    let reply = Reply::to(http.get("/api/openapi.json")).await.ok();
    assert_eq!(reply.header("content-type"), "application/json");
    let kept = std::fs::read(root().join("docs/openapi.json")).expect("docs/openapi.json");
    assert!(reply.body == kept, "docs/openapi.json is another");
    let document: Value = reply.json();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn people_get_a_page_that_loads_and_runs_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let reply = Reply::to(http.get("/api/docs")).await.ok();
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    let policy = reply.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
    assert!(page.starts_with("<!doctype html>") && page.contains("/api/transfers/create"));
}

/// Transfers in every state that requests are to meet, by the operation that meets them.
async fn known(http: &Http) -> Value {
    let small = || Sample::new(1, 65_536);
    let (completed, pending) = (Sample::new(200_000, 65_536), Sample::new(200_000, 65_536));
    let (deleted, doomed, changed, limited) = (small(), small(), small(), small());
    for sample in [&completed, &deleted, &doomed, &changed] {
        sample.send(http).await;
    }
    deleted.delete(http).await.ok();
    pending.create(http).await.ok();
    pending.put(http, 1, 0).await.ok();
    let request = CreateRequest { max_downloads: ByteLen::new(1_000), ..limited.create_request() };
    limited.create_with(http, &request).await.ok();
    limited.put(http, 0, 0).await.ok();
    limited.complete(http).await.ok();
    let (payload, open_payload) = (payload(http).await, payload(http).await);
    let complete = http.post(&format!("/api/transfers/complete/{payload}"));
    Reply::to(complete).await.ok();
    let readable = json!([completed.id, completed.id, limited.id, pending.id, deleted.id]);
    let whole = json!([completed.id, payload, payload, limited.id, open_payload]);
    json!({
        "owner_token": OWNER_TOKEN,
        "download_token": DOWNLOAD_TOKEN,
        "ids": {
            "upload_chunk": [pending.id, completed.id],
            "upload_status": readable,
            "upload_payload": [open_payload, payload],
            "update": [changed.id],
            // Not a payload: of these complete takes any body, and minds none.
            "complete": [completed.id, pending.id],
            "manifest": readable,
            "info": [completed.id, pending.id, deleted.id, payload, open_payload],
            "download_chunk": readable,
            "download": whole,
            "download_base64": whole,
            "take_lease": [limited.id, completed.id],
            "commit_lease": [limited.id, completed.id],
            "give_back_lease": [limited.id, completed.id],
            "delete": [doomed.id],
        },
    })
}

/// A transfer of the older system with its payload, not complete yet.
async fn payload(http: &Http) -> String {
    let created: PayloadCreated = Reply::to(http.post("/api/transfers/create").json(&json!({}))).await.ok().json();
    let upload = http.post(&format!("/api/transfers/upload/{}", created.transfer_id));
    Reply::to(upload.body(vec![7; 1_000])).await.ok();
    created.transfer_id.to_string()
}

#[tokio::test]
async fn the_live_server_answers_as_the_document_says() {
    let server = Server::start();
    let known = known(&Http::new(&server)).await;
    let program = PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/haulier/schemathesis/bin");
    let mut command = Command::new(program.join("schemathesis"));
    command
        .args(["run", &format!("{}/api/openapi.json", server.url())])
        .args(["--checks", CHECKS, "--seed", "1", "--max-examples", MOST_EXAMPLES, "--continue-on-failure"])
        .args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "30", "--output-truncate", "false"])
        .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
        .env("SCHEMATHESIS_HOOKS", root().join("tests/schemathesis/hooks.py"))
        .env("HAULIER_KNOWN", known.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*")
        .current_dir(server.data_dir());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let output = output.expect("schemathesis runs: scripts/install-test-tools installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run that met nothing would be a good one, too.
    let counts = said.lines().find_map(|line| line.trim().strip_suffix(" passed")?.split_once(" generated, "));
    let (generated, passed) = counts.unwrap_or_else(|| panic!("{said}"));
    assert!(generated == passed && generated.parse::<u32>().is_ok_and(|count| count > 1_000), "{said}");
}
