//! How many requests may be under way: HTTP/2 carries many on one connection, so counting connections bounds nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use haulier_wire::{Problem, ProblemType};
use tokio::sync::OwnedSemaphorePermit;

use super::{Service, problem};

/// Lets a request in while there is room, until the last byte of its answer has left; 503 otherwise.
///
/// Health and configuration are always answered: they cost nothing, and a full server is still a healthy one.
///
/// # Errors
/// None of its own.
pub async fn admit<B: MessageBody + 'static>(
    service: Data<Service>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !request.path().contains("/transfers/") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let Ok(permit) = Arc::clone(&service.requests).try_acquire_owned() else {
        let (request, _) = request.into_parts();
        return Ok(ServiceResponse::new(request, problem::render(&Problem::new(ProblemType::Unavailable))));
    };
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| BoxBody::new(Admitted { body: body.boxed(), _permit: permit })))
}

/// A body that keeps its request's place until it is gone.
struct Admitted {
    body: BoxBody,
    _permit: OwnedSemaphorePermit,
}

impl MessageBody for Admitted {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
