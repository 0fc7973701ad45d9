//! What surrounds every request: CORS, a line in the log, and problem documents where the framework answered bare.

use std::time::Instant;

use actix_cors::Cors;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use haulier_wire::Problem;
use haulier_wire::problem::PROBLEM_JSON;

use super::problem;

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

/// Logs the request by its route, never by its path, and turns bare error statuses into problem documents.
pub(super) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let begun = Instant::now();
    let method = known_method(request.method());
    let (request, response) = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body().into_parts(),
        // An extractor or the framework refused the request before a handler saw it.
        Err(error) => return Err(error),
    };
    let response = as_problem(response);
    tracing::info!(
        http.method = method,
        http.route = request.match_pattern().as_deref().unwrap_or("none"),
        http.status = response.status().as_u16(),
        duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        sent_bytes = announced_bytes(&response),
        "request"
    );
    Ok(ServiceResponse::new(request, response))
}

/// A body that goes its own way has its length in the head alone.
fn announced_bytes(response: &HttpResponse) -> u64 {
    match response.body().size() {
        BodySize::Sized(bytes) => bytes,
        BodySize::None => 0,
        BodySize::Stream => {
            let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
            length.and_then(|length| length.parse().ok()).unwrap_or(0)
        }
    }
}

/// A method may be any text of any length: only those that mean something are logged.
fn known_method(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

fn as_problem(response: HttpResponse) -> HttpResponse {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !is_error || content_type.is_some_and(|value| value == PROBLEM_JSON) {
        return response;
    }
    let mut problem = problem::render(&Problem::new(problem::type_of_status(status)));
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            problem.headers_mut().append(name.clone(), value.clone());
        }
    }
    problem
}
