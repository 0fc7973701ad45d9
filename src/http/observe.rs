//! What is noted of every request: one line in the log, its counts, and an id that both sides can name it by.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{ConnectionType, Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage as _, HttpResponse};
use futures::Stream;
use haulier_wire::encoding::to_hex;
use haulier_wire::{Problem, ProblemType};
use prometheus::IntCounter;
use tracing::Instrument as _;

use super::{Service, problem};
use crate::telemetry::metrics::{Open, Outcome};

/// Random bytes of a request's id.
const ID_BYTES: usize = 8;

/// Follows a request by its route, never by its path, to the last byte of its answer. Turns bare error statuses into
/// problem documents, and gives each the request's id.
///
/// # Errors
/// None of its own.
pub async fn observe<B: MessageBody + 'static>(
    service: Data<Service>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut exchange = Exchange::begin(&service, &request);
    let is_upload = matches!(exchange.method, "PUT" | "POST") && exchange.is_route_of("/upload/{id}/chunk/");
    count_body(&service, &mut request, &exchange, is_upload);
    // For bodies that go past this one.
    request.extensions_mut().insert(exchange.sent.clone());
    // At the level of errors, so that their lines have the id whatever the filter.
    let span = tracing::error_span!("request", id = exchange.id);
    let (request, response) = match next.call(request).instrument(span).await {
        Ok(response) => response.map_into_boxed_body().into_parts(),
        // An extractor or the framework refused the request before a handler saw it.
        Err(error) => {
            exchange.status = Some(error.as_response_error().status_code());
            exchange.head = Some(exchange.begun.elapsed());
            return Err(error);
        }
    };
    if let Some(route) = request.match_pattern() {
        exchange.route = Some(route);
    }
    let (mut response, kind) = as_problem(response, &exchange.id);
    if let Some(kind) = kind {
        service.metrics.http.problem(kind.name());
    }
    if service.shutdown.has_begun() {
        // Whoever comes back on a new connection meets a server that stays.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let is_download = exchange.method == "GET" && exchange.is_route_of("/download/") && response.status().is_success();
    exchange.answered(&response);
    let open = is_download.then(|| service.metrics.http.open_download());
    let response = response.map_body(|_, body| BoxBody::new(Sent { body, exchange, _open: open }));
    Ok(ServiceResponse::new(request, response))
}

/// One request until the last byte of its answer, or until nobody waits for it any more.
struct Exchange {
    service: Data<Service>,
    id: String,
    method: &'static str,
    route: Option<String>,
    status: Option<StatusCode>,
    begun: Instant,
    head: Option<Duration>,
    received: Rc<Cell<u64>>,
    sent: SentBytes,
    /// Bytes after which the answer is whole.
    announced: u64,
}

impl Exchange {
    fn begin(service: &Data<Service>, request: &ServiceRequest) -> Self {
        Self {
            id: to_hex(&service.entropy.bytes()[..ID_BYTES]),
            service: Data::clone(service),
            method: known_method(request.method()),
            route: request.match_pattern(),
            status: None,
            begun: Instant::now(),
            head: None,
            received: Rc::default(),
            sent: SentBytes::new(service.metrics.http.sent_bytes.clone()),
            announced: 0,
        }
    }

    fn is_route_of(&self, part: &str) -> bool {
        self.route.as_deref().is_some_and(|route| route.contains(part))
    }

    fn answered(&mut self, response: &HttpResponse) {
        self.status = Some(response.status());
        self.head = Some(self.begun.elapsed());
        self.announced = match response.body().size() {
            BodySize::Sized(bytes) if self.method != "HEAD" => bytes,
            // Only its end tells.
            BodySize::Stream if self.method != "HEAD" => u64::MAX,
            _ => 0,
        };
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let total = self.begun.elapsed();
        let route = self.route.as_deref().unwrap_or("none");
        let sent = self.sent.request.load(Ordering::Relaxed);
        let is_whole = self.head.is_some() && sent >= self.announced;
        self.service.metrics.http.ended(&Outcome {
            route,
            method: self.method,
            status: self.status.as_ref().map(StatusCode::as_str),
            head: self.head,
            total,
            is_whole,
        });
        tracing::info!(
            http.method = self.method,
            http.route = route,
            http.status = self.status.map(|status| status.as_u16()),
            duration_ms = milliseconds(total),
            head_ms = self.head.map(milliseconds),
            received_bytes = self.received.get(),
            sent_bytes = sent,
            cut = (!is_whole).then_some(true),
            request.id = self.id,
            "request"
        );
    }
}

/// Bytes of one answer's body, added where they are handed to the connection.
#[derive(Clone, Debug)]
pub(super) struct SentBytes {
    request: Arc<AtomicU64>,
    all: IntCounter,
}

impl SentBytes {
    pub(super) fn new(all: IntCounter) -> Self {
        Self { request: Arc::default(), all }
    }

    pub(super) fn add(&self, bytes: u64) {
        self.request.fetch_add(bytes, Ordering::Relaxed);
        self.all.inc_by(bytes);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Puts a counter around the request's body, if it has one.
fn count_body(service: &Data<Service>, request: &mut ServiceRequest, exchange: &Exchange, is_upload: bool) {
    let (_, payload) = request.parts_mut();
    if matches!(payload, Payload::None) {
        return;
    }
    let inner = std::mem::replace(payload, Payload::None);
    let metrics = &service.metrics.http;
    let received = Received {
        payload: inner,
        request: Rc::clone(&exchange.received),
        all: metrics.received_bytes.clone(),
        _open: is_upload.then(|| metrics.open_upload()),
    };
    *payload = Payload::Stream { payload: Box::pin(received) };
}

/// A request's body, counted as it arrives.
struct Received {
    payload: Payload,
    request: Rc<Cell<u64>>,
    all: IntCounter,
    _open: Option<Open>,
}

impl Stream for Received {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(Pin::new(&mut self.payload).poll_next(context));
        if let Some(Ok(piece)) = &piece {
            let bytes = piece.len() as u64;
            self.request.set(self.request.get() + bytes);
            self.all.inc_by(bytes);
        }
        Poll::Ready(piece)
    }
}

/// An answer's body, counted as it is handed to the connection.
struct Sent {
    body: BoxBody,
    exchange: Exchange,
    _open: Option<Open>,
}

impl MessageBody for Sent {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_next(context));
        match &piece {
            Some(Ok(piece)) => self.exchange.sent.add(piece.len() as u64),
            Some(Err(_)) => {}
            None if self.exchange.announced == u64::MAX => self.exchange.announced = 0,
            None => {}
        }
        Poll::Ready(piece)
    }
}

/// A method may be any text of any length: only those that mean something are named.
fn known_method(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

/// Every error as a problem document that names its request.
fn as_problem(mut response: HttpResponse, id: &str) -> (HttpResponse, Option<ProblemType>) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return (response, None);
    }
    let instance = Some(format!("urn:haulier:request:{id}"));
    let own = response.extensions_mut().remove::<Problem>();
    if let Some(own) = own {
        let kind = own.kind;
        let named = problem::document(&Problem { instance, ..own });
        return (response.map_body(|_, _| BoxBody::new(named)), Some(kind));
    }
    let kind = problem::type_of_status(status);
    let mut named = problem::render(&Problem { instance, ..Problem::new(kind) });
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            named.headers_mut().append(name.clone(), value.clone());
        }
    }
    (named, Some(kind))
}
