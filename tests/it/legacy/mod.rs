//! The older system's routes: what its clients sent and what they were answered, and what they never should have been.

mod bodies;
mod crash;
mod large;
mod limits;
mod objects;
mod quotas;
mod races;
mod reads;
mod transcript;

use haulier_wire::legacy::{PayloadCreated, PayloadUploaded};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::harness::{Http, Reply};

/// The SHA-256 of `foo`, which the transcript deletes with.
const DELETE_HASH: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const DELETE_HEADER: &str = "x-sgraph-transfer-delete-auth";

/// Creates a payload's transfer and returns its id.
pub(crate) async fn create(http: &Http, body: &Value) -> String {
    let created: PayloadCreated = Reply::to(http.post("/api/transfers/create").json(body)).await.ok().json();
    created.transfer_id.to_string()
}

pub(crate) async fn upload(http: &Http, id: &str, body: impl Into<Body>) -> Reply {
    Reply::to(http.post(&format!("/api/transfers/upload/{id}")).body(body)).await
}

pub(crate) async fn complete(http: &Http, id: &str) -> Reply {
    Reply::to(http.post(&format!("/api/transfers/complete/{id}"))).await
}

async fn info(http: &Http, id: &str) -> Value {
    Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await.ok().json()
}

pub(crate) async fn download(http: &Http, id: &str) -> Reply {
    Reply::to(http.get(&format!("/api/transfers/download/{id}"))).await
}

async fn delete(http: &Http, id: &str, token: &str) -> Reply {
    let request = http.request(Method::DELETE, &format!("/api/transfers/delete/{id}"));
    Reply::to(request.header(DELETE_HEADER, token)).await
}

/// A transfer with these bytes, complete.
async fn completed(http: &Http, payload: &[u8]) -> String {
    let id = create(http, &json!({ "file_size_bytes": payload.len(), "delete_auth_hash": DELETE_HASH })).await;
    let uploaded: PayloadUploaded = upload(http, &id, payload.to_vec()).await.ok().json();
    assert_eq!(uploaded.size, payload.len() as u64);
    complete(http, &id).await.ok();
    id
}
