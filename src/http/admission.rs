//! How many requests may be under way: HTTP/2 carries many on one connection, so counting connections bounds nothing.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use haulier_wire::{Problem, ProblemType};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::client::client;
use super::problem::HttpError;
use super::{Service, problem};

/// Paths that need no place: a full server is still a healthy one. What they ask the stores, a crowd asks once.
const FREE_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/api/config"];

/// Lets a request in, within its client's rate and while there is room, until the last byte of its answer has left.
pub(super) async fn admit<B: MessageBody + 'static>(
    service: Data<Service>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // The raw path, exactly: what the router would only find after decoding is admitted like any other.
    if FREE_PATHS.contains(&request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let client = client(&service, request.request());
    if let Err(error) = service.transfers.within_rate(client) {
        return Ok(request.error_response(HttpError::from(error)).map_into_boxed_body());
    }
    let Ok(permit) = Arc::clone(&service.requests).try_acquire_owned() else {
        service.metrics.http.refused.inc();
        let (request, _) = request.into_parts();
        return Ok(ServiceResponse::new(request, problem::render(&Problem::new(ProblemType::Unavailable))));
    };
    let longest_stall = service.transfers.limits().longest_stall();
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| BoxBody::new(Admitted::new(body.boxed(), permit, longest_stall))))
}

/// A body that keeps its request's place until it is gone, or until its reader has taken nothing for too long.
struct Admitted {
    size: BodySize,
    inner: Rc<RefCell<Inner>>,
    watch: JoinHandle<()>,
}

struct Inner {
    /// `None` once the reader was given up: memory and place are free then, and the stream ends broken.
    held: Option<(BoxBody, OwnedSemaphorePermit)>,
    last_taken: Instant,
    /// Who polls, to be told when the reader is given up.
    connection: Option<Waker>,
}

impl Admitted {
    fn new(body: BoxBody, permit: OwnedSemaphorePermit, longest_stall: Duration) -> Self {
        let size = body.size();
        let inner =
            Rc::new(RefCell::new(Inner { held: Some((body, permit)), last_taken: Instant::now(), connection: None }));
        let watch = actix_web::rt::spawn(give_up_when_stalled(Rc::downgrade(&inner), longest_stall));
        Self { size, inner, watch }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // Otherwise one sleeping task a request would stay for minutes after its answer.
        self.watch.abort();
    }
}

/// A stalled body is not polled, so somebody else has to look at the clock.
async fn give_up_when_stalled(inner: Weak<RefCell<Inner>>, longest_stall: Duration) {
    loop {
        let Some(deadline) = inner.upgrade().map(|inner| inner.borrow().last_taken + longest_stall) else { return };
        if deadline <= Instant::now() {
            if let Some(inner) = inner.upgrade() {
                let connection = {
                    let mut inner = inner.borrow_mut();
                    inner.held = None;
                    inner.connection.take()
                };
                // A connection whose bytes the kernel sends waits for nothing else: it ends now.
                connection.inspect(Waker::wake_by_ref);
            }
            return;
        }
        tokio::time::sleep_until(deadline).await;
    }
}

impl MessageBody for Admitted {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut inner = self.inner.borrow_mut();
        let Some((body, _)) = &mut inner.held else {
            return Poll::Ready(Some(Err("the reader took nothing for too long".into())));
        };
        let polled = Pin::new(body).poll_next(context);
        // A poll alone says nothing: bytes that the client sends wake the connection as well.
        match &polled {
            Poll::Ready(_) => inner.last_taken = Instant::now(),
            Poll::Pending => inner.connection = Some(context.waker().clone()),
        }
        polled
    }
}

#[cfg(test)]
mod tests;
