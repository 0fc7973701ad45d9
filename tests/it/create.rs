//! Create again: the same request is harmless, any other is refused, and an id never comes back.

use haulier_wire::ProblemType;
use haulier_wire::api::{CreateResponse, UploadStatus};
use serde_json::{Value, json};

use crate::harness::{Http, Reply, Sample, Server};

async fn post(http: &Http, body: impl Into<String>) -> Reply {
    Reply::to(http.post("/api/transfers/create").body(body.into())).await
}

fn members(sample: &Sample) -> Value {
    serde_json::to_value(sample.create_request()).expect("JSON")
}

/// The members in reverse order, with white space between all tokens.
fn respelled(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let members: Vec<String> =
                object.iter().rev().map(|(name, value)| format!(" \"{name}\" :\t{}", respelled(value))).collect();
            format!("\r\n{{{} \n}} ", members.join(" ,\n"))
        }
        other => other.to_string(),
    }
}

#[tokio::test]
async fn the_same_members_again_give_the_first_answer() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(65_537, 65_536);
    let value = members(&sample);
    let first = post(&http, value.to_string()).await.ok();
    assert_eq!(first.status, 201);
    let response: CreateResponse = first.json();
    assert_eq!(response.transfer_id, sample.id);
    assert_eq!(response.upload_url, format!("/api/transfers/upload/{}", sample.id));
    assert_eq!(response.manifest_url, format!("/api/transfers/manifest/{}", sample.id));
    assert_eq!(response.expires_at, None);

    let legacy = value.to_string().replace("owner_token_hash", "delete_auth_hash");
    let mut with_nulls = value.clone();
    with_nulls["kdf"] = Value::Null;
    with_nulls["expires_at"] = Value::Null;
    let escaped = value.to_string().replace("AES-256-GCM", "\\u0041ES-256-GCM");
    for body in [value.to_string(), respelled(&value), legacy, with_nulls.to_string(), escaped] {
        let again = post(&http, body.clone()).await.ok();
        assert_eq!((again.status.as_u16(), again.body), (201, first.body.clone()), "{body}");
    }
    sample.put(&http, 0, 0).await.ok();
    post(&http, value.to_string()).await.ok();
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.stored_chunks, 1, "an answer that was lost does not start anew");
}

#[tokio::test]
async fn any_difference_is_409() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(65_537, 65_536);
    let value = members(&sample);
    post(&http, value.to_string()).await.ok();
    let salt = haulier_wire::encoding::to_base64url(&[9; 16]);
    let other_bytes = haulier_wire::encoding::to_base64url(&[1; 32]);
    for (member, other) in [
        ("file_size", json!(65_538)),
        ("chunk_size", json!(65_537)),
        ("sealed_metadata", json!(other_bytes)),
        ("sealed_metadata", Value::Null),
        ("key_check", json!(other_bytes)),
        ("kdf", json!({"name": "PBKDF2", "hash": "SHA-256", "iterations": 600_000, "salt": salt})),
        ("owner_token_hash", json!("1".repeat(64))),
        ("download_token_hash", json!("1".repeat(64))),
        ("expires_in_seconds", json!(60)),
        ("expires_at", json!("2027-06-01T00:00:00Z")),
        ("max_downloads", json!(0)),
    ] {
        let mut changed = value.clone();
        changed[member] = other;
        if member == "chunk_size" {
            changed["total_chunks"] = json!(1);
        }
        post(&http, changed.to_string()).await.is(ProblemType::TransferExists);
    }
    let mut seed = serde_json::to_value(sample.seed_request()).expect("JSON");
    seed["transfer_id"] = json!(sample.id);
    post(&http, seed.to_string()).await.is(ProblemType::TransferExists);
    post(&http, value.to_string()).await.ok();
}

#[tokio::test]
async fn an_id_that_was_deleted_never_comes_back() {
    let server = Server::start();
    let http = Http::new(&server);
    for is_complete in [false, true] {
        let sample = Sample::new(1, 65_536);
        if is_complete {
            sample.send(&http).await;
        } else {
            sample.create(&http).await.ok();
        }
        sample.delete(&http).await.ok();
        sample.create(&http).await.is(ProblemType::TransferDeleted);
        sample.create_with(&http, &sample.seed_request()).await.is(ProblemType::TransferDeleted);
    }
}

#[tokio::test]
async fn a_seed_client_may_leave_the_id_to_the_server() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 1024);
    let mut request = sample.seed_request();
    request.transfer_id = None;
    let first: CreateResponse = sample.create_with(&http, &request).await.ok().json();
    let second: CreateResponse = sample.create_with(&http, &request).await.ok().json();
    assert_ne!(first.transfer_id, second.transfer_id);
    assert!(!first.transfer_id.is_legacy());
    request.transfer_id = Some("0a1b2c3d4e5f".parse().expect("an id"));
    let named: CreateResponse = sample.create_with(&http, &request).await.ok().json();
    assert_eq!(named.transfer_id.as_str(), "0a1b2c3d4e5f");
}
