//! The owner's routes of an upload: chunk, status, update, complete.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use haulier_wire::ByteLen;
use haulier_wire::api::{ChunkResponse, ChunkStatus, CompleteRequest, UpdateRequest};
use haulier_wire::encoding::to_hex;

use super::client::writer;
use super::legacy::{Spoken, spoken};
use super::path::{chunk_index, transfer_id};
use super::problem::HttpError;
use super::{Service, body};
use crate::transfer::upload::ChunkUpload;

pub(super) async fn chunk(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let upload = ChunkUpload {
        transfer_id: transfer_id(&request)?,
        index: chunk_index(&request)?,
        announced: body::content_length(&request)?,
        content_digest: body::content_digest(request.headers())?,
    };
    let writer = writer(&request)?;
    let body = body::stream(payload, service.transfers.limits().client_timeout, upload.announced);
    let stored = service.transfers.upload_chunk(upload, &writer, body).await?;
    let (mut response, status) = match stored.is_new {
        true => (HttpResponse::Created(), ChunkStatus::Stored),
        false => (HttpResponse::Ok(), ChunkStatus::AlreadyStored),
    };
    Ok(response.json(ChunkResponse {
        transfer_id: upload.transfer_id,
        chunk_index: upload.index,
        size: ByteLen::new(upload.announced).unwrap_or(ByteLen::MAX),
        blake3: to_hex(&stored.blake3),
        status,
    }))
}

pub(super) async fn status(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let writer = writer(&request)?;
    let status = service.transfers.upload_status(transfer_id(&request)?, &writer).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(status))
}

pub(super) async fn update(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let writer = writer(&request)?;
    let update: UpdateRequest = body::json(payload, service.transfers.limits().client_timeout).await?;
    Ok(HttpResponse::Ok().json(service.transfers.update(id, &writer, &update).await?))
}

pub(super) async fn complete(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let writer = writer(&request)?;
    let bytes = body::collect(payload, service.transfers.limits().client_timeout).await?;
    let complete: CompleteRequest = match body::parse(&bytes) {
        // The older system never looked into it.
        Err(_) if service.transfers.is_payload(id).await? => CompleteRequest::default(),
        parsed => parsed?,
    };
    let completed = service.transfers.complete(id, &writer, &complete).await;
    Ok(HttpResponse::Ok().json(completed.map_err(spoken(id, Spoken::Complete))?))
}
