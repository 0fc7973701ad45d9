//! The document, the page and the router agree.

use std::collections::BTreeSet;

use serde_json::Value;

use super::escape::Prose;
use super::{DOCUMENT, PAGE, ROUTES, document, page};

/// Where the document is kept. `HAULIER_UPDATE_OPENAPI=1` writes it anew.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

#[test]
fn the_document_is_the_one_that_is_kept() {
    if std::env::var_os("HAULIER_UPDATE_OPENAPI").is_some() {
        std::fs::write(KEPT, DOCUMENT.as_str()).expect("written");
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert!(
        kept == *DOCUMENT,
        "docs/openapi.json is not what the types and the table of routes say. If that is meant: \
         HAULIER_UPDATE_OPENAPI=1 cargo test -p haulier-server --lib openapi"
    );
}

/// Paths that are below no base.
const ALONE: &[&str] = &["/healthz", "/readyz", "/info/health"];

/// The router cannot be asked, so its source is: `resource("PATH")`, followed by `web::METHOD()`.
fn routed() -> BTreeSet<String> {
    let source = include_str!("../mod.rs");
    let mut routed = BTreeSet::from(["GET /metrics".to_owned(), "HEAD /metrics".to_owned()]);
    let (first, presigned) = source.split_once("fn presigned_routes").expect("the routes of one more base");
    for (base, source) in [("/api/transfers", first), ("/api/presigned", presigned)] {
        for resource in source.split("resource(\"").skip(1) {
            let (path, rest) = resource.split_once('"').expect("a path");
            let is_whole = path.starts_with("/api/") || ALONE.contains(&path);
            let path = if is_whole { path.to_owned() } else { format!("{base}{path}") };
            for method in rest.split("route(web::").skip(1) {
                let method = method.split('(').next().expect("a method").to_ascii_uppercase();
                assert!(routed.insert(format!("{method} {path}")), "{method} {path} twice");
            }
        }
    }
    routed
}

#[test]
fn every_route_is_described_and_every_described_route_exists() {
    let described: Vec<String> = ROUTES
        .iter()
        .flat_map(|route| route.operations.iter().map(move |operation| (route, operation)))
        .flat_map(|(route, operation)| operation.methods.iter().map(move |method| format!("{method} {}", route.path)))
        .collect();
    let routed = routed();
    assert!(routed.len() > 20, "the router's source can be read");
    let set: BTreeSet<String> = described.iter().cloned().collect();
    assert_eq!(set.len(), described.len(), "each once");
    let missing: Vec<_> = routed.difference(&set).collect();
    assert!(missing.is_empty(), "routes without an entry in src/http/openapi/table.rs: {missing:?}");
    let surplus: Vec<_> = set.difference(&routed).collect();
    assert!(surplus.is_empty(), "described, and not in src/http/mod.rs: {surplus:?}");
}

/// Everything that a document refers to, wherever in it.
fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_holds_together() {
    let document = document::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("inside of the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().expect("paths").values() {
        for (method, operation) in
            item.as_object().expect("operations").iter().filter(|(name, _)| *name != "parameters")
        {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} twice");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.contains_key("500"), "{name}: anything may have a fault");
            for (status, response) in responses {
                assert!(!response["description"].as_str().expect("a text").is_empty(), "{name} {status}");
                assert!(method != "head" || response.get("content").is_none(), "{name} {status}: HEAD has no body");
            }
        }
    }
}

#[test]
fn the_page_shows_every_operation_and_every_body_and_runs_nothing() {
    let document = document::document();
    for (path, _) in document["paths"].as_object().expect("paths") {
        assert!(PAGE.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for (name, _) in document["components"]["schemas"].as_object().expect("schemas") {
        assert!(PAGE.contains(&format!("id=\"{name}\"")), "{name}");
    }
    for word in ["<script", "javascript:", "onload", "src=", "http:", "https:", "@import", "url("] {
        assert!(!PAGE.contains(word), "{word}");
    }
    assert!(page::POLICY.starts_with("default-src 'none'; style-src 'sha256-"));
}

#[test]
fn text_stays_text() {
    assert_eq!(Prose("a `<b>` & \"c\" 'd'").to_string(), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot; &#39;d&#39;");
}
