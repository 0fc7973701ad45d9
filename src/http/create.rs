//! POST create.

use actix_web::HttpResponse;
use actix_web::web::{Data, Payload};
use haulier_wire::api::CreateRequest;

use super::problem::HttpError;
use super::{Service, body};

pub(super) async fn create(service: Data<Service>, payload: Payload) -> Result<HttpResponse, HttpError> {
    let request: CreateRequest = body::json(payload, service.transfers.limits().client_timeout).await?;
    let created = service.transfers.create(&request).await?;
    Ok(HttpResponse::Created().json(created))
}
