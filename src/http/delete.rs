//! DELETE delete/{id}.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use haulier_wire::api::DeleteResponse;

use super::Service;
use super::legacy::{Spoken, spoken};
use super::path::transfer_id;
use super::problem::HttpError;
use super::token::{Role, presented};

pub(super) async fn delete(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let transfer_id = transfer_id(&request)?;
    let owner = presented(&request, Role::Owner)?;
    let status = service.transfers.delete(transfer_id, owner.as_ref()).await;
    let status = status.map_err(spoken(transfer_id, Spoken::Delete))?;
    Ok(HttpResponse::Ok().json(DeleteResponse { status, transfer_id }))
}
