//! The reader's routes: info, manifest, one chunk, all chunks end to end.

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::Method;
use actix_web::http::header::{self, ETag, EntityTag};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use futures::stream;
use haulier_wire::encoding::{to_base64, to_hex};
use haulier_wire::header::REPR_DIGEST;
use haulier_wire::problem::ProblemType;

use super::Service;
use super::client::reader;
use super::legacy::{Spoken, spoken};
use super::path::{chunk_index, transfer_id};
use super::problem::HttpError;
use super::range::{Part, Selected, select, unless_known};
use crate::transfer::lease::Toll;
use crate::transfer::{ByteStream, Content};
#[cfg(target_os = "linux")]
use {
    super::observe::SentBytes, super::passing::passing_body, super::sendfile::file_body, super::socket::Outlet,
    actix_web::HttpMessage as _,
};

/// The owner may change the expiry.
const CACHE_MANIFEST: &str = "private, no-cache";

pub(super) async fn info(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let info = service.transfers.info(id).await.map_err(spoken(id, Spoken::Info))?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(info))
}

pub(super) async fn manifest(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let reader = reader(&service, &request)?;
    let manifest = service.transfers.manifest(transfer_id(&request)?, &reader).await?;
    let json = serde_json::to_vec(&manifest).map_err(|_| HttpError::new(ProblemType::Internal, ""))?;
    let etag = EntityTag::new_strong(to_hex(blake3::hash(&json).as_bytes()));
    if let Some(response) = unless_known(&request, &etag, CACHE_MANIFEST) {
        return Ok(response);
    }
    Ok(HttpResponse::Ok()
        .insert_header(ETag(etag))
        .insert_header((header::CACHE_CONTROL, CACHE_MANIFEST))
        .insert_header(header::ContentType::json())
        .body(json))
}

pub(super) async fn chunk(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let reader = reader(&service, &request)?;
    let found = service.transfers.find_chunk(id, chunk_index(&request)?, &reader).await?;
    let part = match select(&request, EntityTag::new_strong(to_hex(&found.blake3)), found.len) {
        Selected::Done(response) => return Ok(response),
        Selected::Part(part) => part,
    };
    let mut response = part.response();
    if let Some(sha256) = found.sha256 {
        response.insert_header((REPR_DIGEST, format!("sha-256=:{}:", to_base64(&sha256))));
    }
    if request.method() == Method::HEAD {
        return Ok(response.body(head(&part)));
    }
    let content = service.transfers.read_chunk(&found, part.range.clone()).await?;
    let len = part.range.end - part.range.start;
    // Behind everything that may fail: errors are free.
    let toll = service.transfers.admit(found.terms, &reader, len).await?;
    if !found.terms.is_limited && found.index.get() == 0 && part.is_whole() {
        service.transfers.count_download(id).await;
    }
    Ok(match by_itself(&service, &request, content, len, toll) {
        Ok(body) => response.no_chunking(len).body(body),
        Err((content, toll)) => response.body(sized(&part, toll.over(content.into_stream(), len))),
    })
}

/// What is read goes by itself where its connection lends its writing end; elsewhere the framework streams it.
#[cfg(target_os = "linux")]
fn by_itself(
    service: &Service,
    request: &HttpRequest,
    content: Content,
    len: u64,
    toll: Toll,
) -> Result<BoxBody, (Content, Toll)> {
    let sent = request.extensions().get::<SentBytes>().cloned();
    let (Some(outlet), Some(sent)) = (request.conn_data::<Outlet>().cloned(), sent) else {
        return Err((content, toll));
    };
    Ok(match content {
        Content::File(part) => BoxBody::new(file_body(part, outlet, service.senders.clone(), sent, toll)),
        Content::Stream(bytes) => BoxBody::new(passing_body(toll.over(bytes, len), len, outlet, sent)),
    })
}

/// Elsewhere everything is streamed.
#[cfg(not(target_os = "linux"))]
fn by_itself(_: &Service, _: &HttpRequest, content: Content, _: u64, toll: Toll) -> Result<BoxBody, (Content, Toll)> {
    Err((content, toll))
}

pub(super) async fn whole(service: Data<Service>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let id = transfer_id(&request)?;
    let reader = reader(&service, &request)?;
    let spoken = spoken(id, Spoken::Download);
    let found = service.transfers.find_whole(id, &reader).await.map_err(&spoken)?;
    let tag = found.blake3().map_or_else(|| id.to_string(), |blake3| to_hex(&blake3));
    let part = match select(&request, EntityTag::new_strong(tag), found.len()) {
        Selected::Done(response) => return Ok(response),
        Selected::Part(part) => part,
    };
    if request.method() == Method::HEAD {
        return Ok(part.response().body(head(&part)));
    }
    let content = service.transfers.read_whole(&found, part.range.clone()).await.map_err(&spoken)?;
    let (mut response, len) = (part.response(), part.range.end - part.range.start);
    let toll = service.transfers.admit(found.terms, &reader, len).await.map_err(&spoken)?;
    if !found.terms.is_limited && part.is_whole() {
        service.transfers.count_download(id).await;
    }
    if found.blake3().is_none() {
        // Of chunks end to end each is opened when it is its turn.
        return Ok(response.body(sized(&part, toll.over(content.into_stream(), len))));
    }
    Ok(match by_itself(&service, &request, content, len, toll) {
        Ok(body) => response.no_chunking(len).body(body),
        Err((content, toll)) => response.body(sized(&part, toll.over(content.into_stream(), len))),
    })
}

fn sized(part: &Part, bytes: ByteStream) -> SizedStream<ByteStream> {
    SizedStream::new(part.range.end - part.range.start, bytes)
}

/// The length that GET would have, without a byte.
fn head(part: &Part) -> SizedStream<ByteStream> {
    sized(part, Box::pin(stream::empty()))
}
