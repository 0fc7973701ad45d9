//! That every answer of the whole suite is one that docs/openapi.json lists.

use std::sync::OnceLock;

use reqwest::{Method, StatusCode};
use serde_json::Value;

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        serde_json::from_slice(&std::fs::read(path).expect("docs/openapi.json")).expect("JSON")
    })
}

/// Asserts that the document has this status for this operation, and this type of problem for the status. What has no
/// operation (no such path, another method) is none of its business.
pub(super) fn assert_documented(method: &Method, path: &str, status: StatusCode, problem: Option<&Value>) {
    // Where nothing is routed, another listener answered.
    if problem.is_some_and(|problem| problem["type"] == "urn:haulier:problem:route-not-found") {
        return;
    }
    let path =
        path.strip_prefix("/transfers/").map_or_else(|| path.to_owned(), |rest| format!("/api/transfers/{rest}"));
    let paths = document()["paths"].as_object().expect("paths");
    let Some((_, item)) = paths.iter().find(|(pattern, _)| is_like(pattern, &path)) else { return };
    let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else { return };
    let response = &operation["responses"][status.as_str()];
    assert!(!response.is_null(), "{method} {path}: {status} is not in docs/openapi.json (src/http/openapi/table.rs)");
    let listed = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["type"]["enum"];
    if let (Some(kind), Some(listed)) = (problem.map(|problem| &problem["type"]), listed.as_array()) {
        assert!(listed.contains(kind), "{method} {path}: {status} {kind} is not in docs/openapi.json");
    }
}

fn is_like(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if pattern.starts_with('{') || pattern == part => {}
            _ => return false,
        }
    }
}
