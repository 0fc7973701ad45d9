//! CORS: pages of any origin may call, with tokens that they hold themselves.

use actix_cors::Cors;

/// Any origin, no credentials: tokens travel in headers that a page must know, never in cookies.
pub(super) fn cors() -> Cors {
    Cors::default()
        .allow_any_origin()
        .send_wildcard()
        .allow_any_header()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .expose_headers(["etag", "content-range", "accept-ranges", "retry-after", "repr-digest", "content-length"])
        .max_age(600)
}
