//! POST create.

use actix_web::HttpResponse;
use actix_web::web::{Data, Payload};
use haulier_wire::api::CreateRequest;

use super::problem::HttpError;
use super::{Service, body, legacy};

pub(super) async fn create(service: Data<Service>, payload: Payload) -> Result<HttpResponse, HttpError> {
    let body = body::collect(payload, service.transfers.limits().client_timeout).await?;
    if legacy::is_create_of_payload(&body) {
        return legacy::create(&service, &body).await;
    }
    let request: CreateRequest = body::parse(&body)?;
    let created = service.transfers.create(&request).await?;
    Ok(HttpResponse::Created().json(created))
}
