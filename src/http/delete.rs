//! DELETE delete/{id}.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use haulier_wire::api::DeleteResponse;

use super::Service;
use super::path::transfer_id;
use super::problem::HttpError;
use super::token::{Role, presented};

pub(super) async fn delete(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let transfer_id = transfer_id(&request)?;
    let owner = presented(&request, Role::Owner)?;
    let status = service.transfers.delete(transfer_id, owner.as_ref()).await?;
    Ok(HttpResponse::Ok().json(DeleteResponse { status, transfer_id }))
}
