//! POST create.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use haulier_wire::api::CreateRequest;

use super::problem::HttpError;
use super::token::access_token;
use super::{Service, body, legacy};

pub(super) async fn create(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let access = access_token(&request)?;
    // Before a byte of the body: who may not create has nothing read.
    service.transfers.may_create(access.as_ref()).await?;
    let body = body::collect(payload, service.transfers.limits().client_timeout).await?;
    if legacy::is_create_of_payload(&body) {
        return legacy::create(&service, &body, access.as_ref()).await;
    }
    let request: CreateRequest = body::parse(&body)?;
    let created = service.transfers.create(&request, access.as_ref()).await?;
    Ok(HttpResponse::Created().json(created))
}
