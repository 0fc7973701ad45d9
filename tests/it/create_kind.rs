//! Create takes FULL and SEED, and nothing between.

use haulier_wire::encoding::to_base64url;
use haulier_wire::{ProblemType, TransferId};
use serde_json::{Value, json};

use crate::harness::{Http, Reply, Sample, Server};

async fn post(http: &Http, value: &Value) -> Reply {
    Reply::to(http.post("/api/transfers/create").json(value)).await
}

/// Asserts that a create is refused and has made nothing.
async fn refused(http: &Http, value: &Value, kind: ProblemType) {
    let reply = post(http, value).await;
    assert_eq!(reply.status, 400, "{value:.300}");
    reply.is(kind);
    if let Some(id) = value["transfer_id"].as_str().filter(|id| id.parse::<TransferId>().is_ok()) {
        let info = Reply::to(http.get(&format!("/api/transfers/info/{id}"))).await;
        info.is(ProblemType::TransferNotFound);
    }
}

fn full() -> Value {
    serde_json::to_value(Sample::new(131_073, 65_536).create_request()).expect("JSON")
}

fn seed() -> Value {
    serde_json::to_value(Sample::new(131_073, 65_536).seed_request()).expect("JSON")
}

fn kdf() -> Value {
    json!({"name": "PBKDF2", "hash": "SHA-256", "iterations": 600_000, "salt": to_base64url(&[9; 16])})
}

/// `value` with the member at `pointer` set, or taken away.
fn with(mut value: Value, pointer: &str, to: Option<Value>) -> Value {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let object = value.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match to {
        Some(to) => object.insert(member.to_owned(), to),
        None => object.remove(member),
    };
    value
}

#[tokio::test]
async fn every_combination_of_members() {
    let server = Server::start();
    let http = Http::new(&server);
    let optional =
        ["/transfer_id", "/key_check", "/owner_token_hash", "/download_token_hash", "/sealed_metadata", "/kdf"];
    for bits in 0..128_u32 {
        let has = |place: usize| bits >> place & 1 == 1;
        let mut value = with(full(), "/kdf", Some(kdf()));
        for (place, pointer) in optional.iter().enumerate().filter(|(place, _)| !has(*place)) {
            assert!(place < 6);
            value = with(value, pointer, None);
        }
        let strategy = if has(6) { "prefix-counter" } else { "counter" };
        value = with(value, "/encryption/iv_strategy", Some(strategy.into()));
        let is_full = has(6) && has(0) && has(1) && has(2) && has(3);
        let is_seed = !has(6) && !has(1) && !has(4) && !has(5);
        if is_full || is_seed {
            assert_eq!(post(&http, &value).await.ok().status, 201, "{value}");
        } else {
            refused(&http, &value, ProblemType::MixedKind).await;
        }
    }
}

#[tokio::test]
async fn each_required_member_is_required_and_each_number_of_a_kind_holds() {
    let server = Server::start();
    let http = Http::new(&server);
    for pointer in ["/total_chunks", "/chunk_size", "/file_size", "/encryption"].into_iter().chain([
        "/encryption/algorithm",
        "/encryption/iv_strategy",
        "/encryption/tag_length",
        "/encryption/aad_format",
    ]) {
        for value in [full(), seed()] {
            refused(&http, &with(value.clone(), pointer, None), ProblemType::InvalidBody).await;
            refused(&http, &with(value, pointer, Some(Value::Null)), ProblemType::InvalidBody).await;
        }
    }
    let short_id = with(full(), "/transfer_id", Some("001122334455".into()));
    refused(&http, &short_id, ProblemType::MixedKind).await;
    let small = |value: Value, size: u64, total: u64| {
        with(with(value, "/chunk_size", Some(size.into())), "/total_chunks", Some(total.into()))
    };
    refused(&http, &small(full(), 65_535, 3), ProblemType::MixedKind).await;
    refused(&http, &small(full(), 1024, 129), ProblemType::MixedKind).await;
    for value in [small(full(), 65_536, 3), small(seed(), 1024, 129), small(seed(), 65_535, 3)] {
        post(&http, &value).await.ok();
    }
}

#[tokio::test]
async fn sealed_members_have_one_form_and_their_length() {
    let server = Server::start();
    let http = Http::new(&server);
    let text = |len: usize| Some(Value::from(to_base64url(&vec![7; len])));
    for (pointer, value) in [
        ("/key_check", text(0)),
        ("/key_check", text(31)),
        ("/key_check", text(33)),
        ("/key_check", Some(format!("{}=", to_base64url(&[7; 32])).into())),
        ("/key_check", Some(format!("{}_", "A".repeat(42)).into())),
        ("/key_check", Some(json!(vec![7; 32]))),
        ("/sealed_metadata", text(0)),
        ("/sealed_metadata", text(27)),
        ("/sealed_metadata", text((1 << 20) + 1)),
        ("/sealed_metadata", Some(json!({}))),
        ("/owner_token_hash", Some("A".repeat(64).into())),
        ("/owner_token_hash", Some("a".repeat(63).into())),
        ("/owner_token_hash", Some("a".repeat(65).into())),
        ("/download_token_hash", Some("A".repeat(64).into())),
        ("/download_token_hash", Some("a".repeat(63).into())),
        ("/download_token_hash", Some("g".repeat(64).into())),
        ("/transfer_id", Some("ABCDEFABCDEFABCDEFABCDEFABCDEFAB".into())),
        ("/transfer_id", Some("a".repeat(31).into())),
        ("/transfer_id", Some("../../../../etc".into())),
        ("/transfer_id", Some(json!(1))),
        ("/delete_auth_hash", Some("a".repeat(64).into())),
    ] {
        refused(&http, &with(full(), pointer, value), ProblemType::InvalidBody).await;
    }
    for len in [28, 1 << 20] {
        post(&http, &with(full(), "/sealed_metadata", text(len))).await.ok();
    }
}

#[tokio::test]
async fn the_cipher_and_the_kdf_are_the_ones_of_version_1() {
    let server = Server::start();
    let http = Http::new(&server);
    let with_kdf = || with(full(), "/kdf", Some(kdf()));
    for (pointer, value) in [
        ("/encryption", json!(["AES-256-GCM", "prefix-counter", 128, "json"])),
        ("/encryption/algorithm", json!("AES-128-GCM")),
        ("/encryption/algorithm", json!({"AES-256-GCM": null})),
        ("/encryption/iv_strategy", json!("random")),
        ("/encryption/iv_strategy", json!({"prefix-counter": null})),
        ("/encryption/tag_length", json!(96)),
        ("/encryption/tag_length", json!(128.0)),
        ("/encryption/aad_format", json!("none")),
        ("/encryption/extra", json!(1)),
        ("/kdf", json!(["PBKDF2", "SHA-256", 600_000, to_base64url(&[9; 16])])),
        ("/kdf", json!({})),
        ("/kdf/name", json!("scrypt")),
        ("/kdf/hash", json!("SHA-1")),
        ("/kdf/iterations", json!(1)),
        ("/kdf/iterations", json!(599_999)),
        ("/kdf/iterations", json!(600_001)),
        ("/kdf/iterations", json!("600000")),
        ("/kdf/salt", json!(to_base64url(&[9; 15]))),
        ("/kdf/salt", json!(to_base64url(&[9; 17]))),
        ("/kdf/salt", json!(format!("{}==", to_base64url(&[9; 16])))),
        ("/kdf/salt", json!(to_base64url(&[255; 16]).replace('_', "/"))),
        ("/kdf/salt", json!(format!("{}B", "A".repeat(21)))),
        ("/kdf/extra", json!(1)),
    ] {
        refused(&http, &with(with_kdf(), pointer, Some(value)), ProblemType::InvalidBody).await;
    }
    post(&http, &with_kdf()).await.ok();
}
