//! The calls of a recorded session with the older system, against this one: the same success bodies, times aside, and
//! the same `detail` in every error.

use haulier_wire::{Problem, ProblemType};
use reqwest::Method;
use serde_json::{Value, json};

use super::{DELETE_HEADER, create};
use crate::harness::{Http, Reply, Server};

/// What a call is answered.
enum Answer {
    /// 200, with this JSON; members that this system adds may stand beside it.
    Json(Value),
    /// 200, with this body.
    Bytes(&'static str),
    /// A problem with the older system's text.
    Problem(ProblemType, &'static str),
    /// A problem with a text of ours: where the older system failed with 500, took it and failed later, or listed what its
    /// validation found.
    Differs(ProblemType),
}

use Answer::{Bytes, Differs, Json, Problem as Refused};

/// One call; `ID` in it is the session's transfer.
struct Call {
    method: Method,
    path: &'static str,
    header: Option<(&'static str, &'static str)>,
    body: &'static str,
    answer: Answer,
}

fn call(method: Method, path: &'static str, body: &'static str, answer: Answer) -> Call {
    Call { method, path, header: None, body, answer }
}

fn get(path: &'static str, answer: Answer) -> Call {
    call(Method::GET, path, "", answer)
}

fn post(path: &'static str, body: &'static str, answer: Answer) -> Call {
    call(Method::POST, path, body, answer)
}

fn delete(path: &'static str, token: Option<&'static str>, answer: Answer) -> Call {
    Call { header: token.map(|token| (DELETE_HEADER, token)), ..call(Method::DELETE, path, "", answer) }
}

const CREATE: &str = "/api/transfers/create";
const NOT_FOUND: ProblemType = ProblemType::TransferNotFound;

fn completed(size: u64) -> Value {
    json!({"transfer_id": "ID", "download_url": "/d/ID", "transparency": {
        "ip": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "timestamp": "TIME", "file_size_bytes": size,
        "stored_fields": ["ip_hash", "file_size_bytes", "created_at", "content_type_hint"],
        "encrypted": ["file_name", "file_content"], "not_stored": ["decryption_key", "raw_ip"]}})
}

fn info(status: &str, size: u64, downloads: u64) -> Value {
    json!({"transfer_id": "ID", "status": status, "file_size_bytes": size, "content_type_hint": "text/plain",
        "created_at": "TIME", "download_count": downloads, "max_downloads": 0, "expires_at": "TIME",
        "downloads_remaining": 0, "is_expired": false})
}

/// From create to the last read of one transfer.
fn one_transfer() -> Vec<Call> {
    let uploaded = || Json(json!({"status": "uploaded", "transfer_id": "ID", "size": 28}));
    let blob = "0123456789012345678901234567";
    vec![
        post("/api/transfers/complete/ID", "", Refused(NOT_FOUND, "Transfer not found or payload not uploaded")),
        get("/api/transfers/info/ID", Json(info("pending", 1000, 0))),
        get(
            "/api/transfers/download/ID",
            Refused(ProblemType::TransferPending, "Transfer not found or not available for download"),
        ),
        post(
            "/api/transfers/upload/ID",
            "what comes first",
            Json(json!({"status": "uploaded", "transfer_id": "ID", "size": 16})),
        ),
        post("/api/transfers/upload/ID", blob, uploaded()),
        post("/api/transfers/complete/ID", "", Json(completed(1000))),
        post("/api/transfers/complete/ID", "", Json(completed(1000))),
        post("/api/transfers/upload/ID", blob, Refused(NOT_FOUND, "Transfer not found or not in pending state")),
        get("/api/transfers/info/ID", Json(info("completed", 1000, 0))),
        get("/api/transfers/download/ID", Bytes(blob)),
        get("/api/transfers/download/ID", Bytes(blob)),
        get(
            "/api/transfers/download-base64/ID",
            Json(
                json!({"transfer_id": "ID", "data": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nw==", "file_size_bytes": 1000}),
            ),
        ),
        get("/api/transfers/info/ID", Json(info("completed", 1000, 3))),
        delete(
            "/api/transfers/delete/ID",
            None,
            Refused(ProblemType::InvalidRequest, "Missing x-sgraph-transfer-delete-auth header"),
        ),
        delete("/api/transfers/delete/ID", Some("bar"), Refused(ProblemType::WrongToken, "auth_mismatch")),
        delete("/api/transfers/delete/ID", Some("foo"), Json(json!({"status": "deleted", "transfer_id": "ID"}))),
        delete(
            "/api/transfers/delete/ID",
            Some("foo"),
            Json(json!({"status": "already_deleted", "transfer_id": "ID"})),
        ),
        get("/api/transfers/download/ID", Refused(NOT_FOUND, "Transfer not found or not available for download")),
        get("/api/transfers/info/ID", Refused(NOT_FOUND, "Transfer not found")),
    ]
}

/// Calls that need nothing that was there before, `ID` aside, which is taken.
fn single_calls() -> Vec<Call> {
    let id_format = "Invalid transfer ID format (must be 12 lowercase hex chars)";
    let presigned = "S3 storage mode required for presigned uploads";
    let refused = |detail| Refused(ProblemType::InvalidRequest, detail);
    vec![
        post(
            CREATE,
            r#"{"file_size_bytes":5,"transfer_id":"ID"}"#,
            Refused(ProblemType::TransferExists, "Transfer ID already exists"),
        ),
        post(
            CREATE,
            r#"{"file_size_bytes":5,"transfer_id":"A1B2C3D4E5F6"}"#,
            Refused(ProblemType::InvalidTransferId, id_format),
        ),
        post(
            CREATE,
            r#"{"file_size_bytes":5,"transfer_id":"a1b2c3/../5f6"}"#,
            Refused(ProblemType::InvalidTransferId, id_format),
        ),
        post(
            CREATE,
            r#"{"file_size_bytes":99999999999999,"transfer_id":"c64d7926d47f"}"#,
            Json(json!({"transfer_id": "c64d7926d47f", "upload_url": "/api/transfers/upload/c64d7926d47f"})),
        ),
        post(CREATE, r#"{"file_size_bytes":-5}"#, Differs(ProblemType::InvalidBody)),
        post(CREATE, r#"{"file_size_bytes":"abc"}"#, Differs(ProblemType::InvalidBody)),
        post(CREATE, "notjson", Differs(ProblemType::InvalidBody)),
        post(CREATE, r#"{"expires_at":"garbage"}"#, Differs(ProblemType::InvalidNumbers)),
        post(CREATE, r#"{"expires_at":"2030-01-01T00:00:00"}"#, Differs(ProblemType::InvalidNumbers)),
        delete("/api/transfers/delete/ffffffffffff", Some("foo"), Refused(NOT_FOUND, "not_found")),
        get("/api/transfers/info/ffffffffffff", Refused(NOT_FOUND, "Transfer not found")),
        get("/api/transfers/download/ffffffffffff", Refused(NOT_FOUND, "Transfer not found")),
        post(
            "/api/transfers/upload/ffffffffffff",
            "x",
            Refused(NOT_FOUND, "Transfer not found or not in pending state"),
        ),
        get("/api/transfers/check-token/anything", Json(json!({"valid": true, "status": "active"}))),
        post("/api/transfers/validate-token/anything", "", Json(json!({"success": true}))),
        get(
            "/api/presigned/capabilities",
            Json(json!({"presigned_upload": false, "multipart_upload": false, "presigned_download": false,
                "direct_upload": true, "max_part_size": 10_485_760, "min_part_size": 5_242_880, "max_parts": 10_000})),
        ),
        post(
            "/api/presigned/initiate",
            r#"{"transfer_id":"ID","file_size_bytes":100,"num_parts":1}"#,
            refused(presigned),
        ),
        post("/api/presigned/complete", r#"{"transfer_id":"ID","upload_id":"u","parts":[]}"#, refused(presigned)),
        post("/api/presigned/cancel/ID/u", "", refused(presigned)),
        get("/api/presigned/upload-url/ID", refused("presigned_not_available")),
        get("/api/presigned/download-url/ID", refused("S3 storage mode required")),
        get("/no/such", Refused(ProblemType::RouteNotFound, "Not Found")),
        get("/info/health", Json(json!({"status": "ok"}))),
        // What differs on purpose: ids of no length that anybody has.
        get("/api/transfers/info/xyz", Differs(ProblemType::InvalidTransferId)),
    ]
}

async fn check(http: &Http, id: &str, call: &Call) {
    let path = call.path.replace("ID", id);
    let mut request = http.request(call.method.clone(), &path).body(call.body.replace("ID", id));
    if let Some((name, value)) = call.header {
        request = request.header(name, value);
    }
    let reply = Reply::to(request).await;
    let what = format!("{} {path} {}: {reply:?}", call.method, call.body);
    match &call.answer {
        Bytes(body) => assert_eq!((reply.status.as_u16(), &*reply.body), (200, body.as_bytes()), "{what}"),
        Json(expected) => {
            assert_eq!(reply.status.as_u16(), 200, "{what}");
            assert_eq!(reply.header("content-type"), "application/json", "{what}");
            let expected: Value = serde_json::from_str(&expected.to_string().replace("ID", id)).expect("JSON");
            assert_has(&reply.json(), &expected, &what);
        }
        Refused(kind, detail) => {
            assert_eq!(reply.status.as_u16(), kind.status(), "{what}");
            let problem: Problem = reply.json();
            assert_eq!((problem.kind, problem.detail.as_deref()), (*kind, Some(*detail)), "{what}");
        }
        Differs(kind) => {
            let problem: Problem = reply.json();
            assert_eq!(problem.kind, *kind, "{what}");
            assert!(problem.detail.is_some_and(|detail| !detail.is_empty()), "{what}");
        }
    }
}

/// Every member that the older system has, with its value; a `TIME` is any moment.
fn assert_has(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, expected) in expected {
                assert_has(found.get(name).unwrap_or_else(|| panic!("no {name}: {what}")), expected, what);
            }
        }
        (Value::String(found), Value::String(expected)) if expected == "TIME" => {
            assert!(found.is_empty() || found.parse::<haulier_wire::Timestamp>().is_ok(), "{found}: {what}");
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}

#[tokio::test]
async fn a_recorded_session_is_answered_as_it_was() {
    let server = Server::start();
    let http = Http::new(&server);
    let asked =
        json!({"file_size_bytes": 1000, "content_type_hint": "text/plain", "delete_auth_hash": super::DELETE_HASH});
    let id = create(&http, &asked).await;
    assert!(id.len() == 12 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    for call in one_transfer() {
        check(&http, &id, &call).await;
    }
}

#[tokio::test]
async fn single_calls_are_answered_as_they_were() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = create(&http, &json!({})).await;
    for call in single_calls() {
        check(&http, &id, &call).await;
    }
}

#[tokio::test]
async fn a_create_never_says_the_same_twice() {
    let server = Server::start();
    let http = Http::new(&server);
    let body = json!({"transfer_id": "a1b2c3d4e5f6", "file_size_bytes": 5});
    let reply = Reply::to(http.post(CREATE).json(&body)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json::<Value>()),
        (200, json!({"transfer_id": "a1b2c3d4e5f6", "upload_url": "/api/transfers/upload/a1b2c3d4e5f6"}))
    );
    Reply::to(http.post(CREATE).json(&body)).await.is(ProblemType::TransferExists);
    let (first, second) = (create(&http, &json!({})).await, create(&http, &json!({})).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn what_is_neither_chunks_nor_payload_is_refused() {
    let server = Server::start();
    let http = Http::new(&server);
    for member in ["chunk_size", "file_size", "encryption", "sealed_metadata", "key_check", "kdf", "expires_in_seconds"]
    {
        let reply = Reply::to(http.post(CREATE).json(&json!({ "file_size_bytes": 5, member: 65_536 }))).await;
        reply.is(ProblemType::InvalidBody);
    }
}
