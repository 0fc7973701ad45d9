//! The API as a document: OpenAPI 3.1, made from the types of haulier-wire and one table of routes, and a page for
//! people made from that.

mod document;
mod escape;
mod group;
mod legacy;
mod operation;
mod page;
mod table;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;

use table::ROUTES;

/// As it is served and kept in docs/openapi.json: it says nothing of one server, and never changes while it runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document::document()));
static PAGE: LazyLock<String> = LazyLock::new(|| page::page(&document::document()));

pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(header::ContentType::json())
        .body(DOCUMENT.as_str())
}

/// The document for people: one page without a script, which loads nothing.
pub(super) async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(header::ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, page::POLICY.as_str()))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(PAGE.as_str())
}

/// The methods that a path answers, as `Allow` lists them.
pub(super) fn allowed_methods(pattern: &str) -> Option<String> {
    let path = match pattern.strip_prefix("/transfers/") {
        Some(below) => format!("/api/transfers/{below}"),
        None => pattern.to_owned(),
    };
    let route = ROUTES.iter().find(|route| route.path == path)?;
    let methods: Vec<_> = route.operations.iter().flat_map(|operation| operation.methods).copied().collect();
    Some(methods.join(", "))
}

#[cfg(test)]
mod tests;
