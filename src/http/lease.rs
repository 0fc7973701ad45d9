//! The reader's lease of a transfer with a limit: take, commit, give back.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Service;
use super::client::reader;
use super::path::transfer_id;
use super::problem::HttpError;

pub(super) async fn take(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let reader = reader(&service, &request)?;
    let lease = service.transfers.take_lease(transfer_id(&request)?, &reader).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(lease))
}

pub(super) async fn commit(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let reader = reader(&service, &request)?;
    let lease = service.transfers.commit_lease(transfer_id(&request)?, &reader).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(lease))
}

pub(super) async fn give_back(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let reader = reader(&service, &request)?;
    let ended = service.transfers.give_back_lease(transfer_id(&request)?, &reader).await?;
    Ok(HttpResponse::Ok().json(ended))
}
