//! The metrics: for whoever has their token, or reaches their own listener.

use actix_web::http::{Method, header};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use haulier_wire::ProblemType;

use super::Service;
use super::problem::{self, HttpError};
use super::token::{Role, presented};
use crate::telemetry::metrics::TEXT_FORMAT;
use crate::transfer::access;

pub(super) const PATH: &str = "/metrics";

/// The one route of the metrics' own listener. Reaching it is enough unless a token is set.
pub fn route(config: &mut ServiceConfig) {
    config.service(web::resource(PATH).to(open)).default_service(web::to(problem::no_route));
}

/// On the listener that everybody reaches: nothing is there unless a token is set.
pub(super) async fn guarded(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    if service.metrics_token.is_none() {
        return Ok(problem::no_route().await);
    }
    open(service, request).await
}

async fn open(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(problem::no_method(request).await);
    }
    access::check(presented(&request, Role::Metrics)?.as_ref(), service.metrics_token.as_ref())?;
    let text = service.metrics.render().map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the metrics cannot be shown");
        HttpError::new(ProblemType::Internal, "")
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, TEXT_FORMAT))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text))
}
