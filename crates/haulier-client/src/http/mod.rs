//! The server's API, one function a call. The only module that knows reqwest.
//!
//! Chunks travel over HTTP/1.1, one connection for each that is under way: over HTTP/2 all of them would share one
//! TCP connection, its one congestion window and small per-stream windows, and one lost packet would stop them all.
//! Redirects are never followed, so a token cannot reach another origin.

mod arrival;
mod body;
mod certificate;
mod contact;
mod floor;
mod legacy;
mod outcome;
mod retry;
mod server;

use std::time::Duration;

use bytes::Bytes;
use haulier_wire::api::{
    ChunkResponse, CompleteResponse, CreateRequest, CreateResponse, DeleteResponse, DeleteStatus, Info,
    LeaseEndResponse, LeaseResponse, Manifest, ServerConfig, UpdateRequest, UploadStatus,
};
use haulier_wire::limit::MAX_JSON_BODY_BYTES;
use haulier_wire::{TransferId, header};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub(crate) use arrival::{Arrival, Shelf};
pub(crate) use body::{ChunkBody, Watch};
pub(crate) use contact::Contact;
use floor::Floor;
pub(crate) use legacy::{BlobArrival, BlobBody, LegacyCreate, LegacyInfo};
pub(crate) use outcome::{CallError, Role};
pub use retry::RetryPolicy;
pub(crate) use retry::{Retry, until_final};
pub use server::Server;

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A kernel that sees no acknowledgement for this long gives the connection up: a network that went away.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);
/// Nothing moves in either direction for this long: the try has failed. Includes the server's own wait for its disk.
const STALL_TIMEOUT: Duration = Duration::from_secs(90);

/// One server, and the connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    server: Server,
}

impl Api {
    /// Prepares connections to one server; nothing is sent yet.
    pub(crate) fn new(server: Server) -> Result<Self, Error> {
        let builder = Client::builder()
            .user_agent(concat!("haulier/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tls_info(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(UNACKNOWLEDGED_TIMEOUT / 2)
            .tcp_nodelay(true);
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let builder = builder.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
        // A proxy cannot reach this machine's loopback, and must not see plain http meant for it.
        let builder = if server.is_loopback() { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|_| Error::Internal("no TLS client could be set up"))?;
        Ok(Self { client, server })
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) async fn config(&self) -> Result<ServerConfig, CallError> {
        json(self.client.get(self.server.config_url())).await
    }

    pub(crate) async fn create(&self, body: &CreateRequest, access: Option<&str>) -> Result<CreateResponse, CallError> {
        let mut request = self.client.post(self.server.create_url()).json(body);
        if let Some(token) = access {
            request = request.header(header::ACCESS_TOKEN, secret_value(token)?);
        }
        json(request).await
    }

    pub(crate) async fn status(&self, id: TransferId, owner: &str) -> Result<UploadStatus, CallError> {
        json(self.client.get(self.server.transfer_url("upload", id)).bearer_auth(owner)).await
    }

    /// Sends one sealed chunk whole.
    pub(crate) async fn put_chunk(
        &self,
        id: TransferId,
        index: u32,
        owner: &str,
        chunk: Bytes,
        watch: Watch,
    ) -> Result<ChunkResponse, CallError> {
        let len = chunk.len();
        let body = reqwest::Body::wrap(ChunkBody::new(chunk, watch.clone()));
        let request = self
            .client
            .put(self.server.chunk_url("upload", id, index))
            .bearer_auth(owner)
            .header(CONTENT_LENGTH, len)
            .body(body);
        let response = tokio::select! {
            answer = answer_any_time(request) => answer?,
            () = watch.stalled(STALL_TIMEOUT) => return Err(stalled()),
        };
        json_body(response).await
    }

    pub(crate) async fn complete(&self, id: TransferId, owner: &str) -> Result<CompleteResponse, CallError> {
        let request = self.client.post(self.server.transfer_url("complete", id)).bearer_auth(owner);
        json(request.header(CONTENT_LENGTH, 0)).await
    }

    /// Deletes a transfer and says whether it had been deleted before.
    pub(crate) async fn delete(&self, id: TransferId, owner: &str) -> Result<DeleteStatus, CallError> {
        let request = self.client.delete(self.server.transfer_url("delete", id)).bearer_auth(owner);
        let deleted: DeleteResponse = json(request).await?;
        if deleted.transfer_id == id { Ok(deleted.status) } else { Err(another_transfer()) }
    }

    /// Changes when a transfer ends, and how often it can be downloaded.
    pub(crate) async fn update(
        &self,
        id: TransferId,
        owner: &str,
        change: &UpdateRequest,
    ) -> Result<UploadStatus, CallError> {
        let request = self.client.patch(self.server.transfer_url("upload", id)).bearer_auth(owner).json(change);
        let status: UploadStatus = json(request).await?;
        if status.transfer_id == id { Ok(status) } else { Err(another_transfer()) }
    }

    pub(crate) async fn info(&self, id: TransferId) -> Result<Info, CallError> {
        json(self.client.get(self.server.transfer_url("info", id))).await
    }

    pub(crate) async fn manifest(
        &self,
        id: TransferId,
        download: &str,
        lease: Option<&str>,
    ) -> Result<Manifest, CallError> {
        let request = self.client.get(self.server.transfer_url("manifest", id)).bearer_auth(download);
        json(with_lease(request, lease)?).await
    }

    /// Takes a place in a transfer with a limit, or finds that the token has one.
    pub(crate) async fn take_lease(
        &self,
        (id, download): (TransferId, &str),
        lease: &str,
    ) -> Result<LeaseResponse, CallError> {
        let request = self.client.post(self.server.lease_url(id)).bearer_auth(download).header(CONTENT_LENGTH, 0);
        json(with_lease(request, Some(lease))?).await
    }

    /// Says that the download is complete.
    pub(crate) async fn commit_lease(
        &self,
        (id, download): (TransferId, &str),
        lease: &str,
    ) -> Result<LeaseResponse, CallError> {
        let request = self.client.post(self.server.lease_commit_url(id)).bearer_auth(download);
        json(with_lease(request.header(CONTENT_LENGTH, 0), Some(lease))?).await
    }

    /// Gives the place back.
    pub(crate) async fn give_back_lease(
        &self,
        (id, download): (TransferId, &str),
        lease: &str,
    ) -> Result<LeaseEndResponse, CallError> {
        let request = self.client.delete(self.server.lease_url(id)).bearer_auth(download);
        json(with_lease(request, Some(lease))?).await
    }
}

fn with_lease(request: RequestBuilder, lease: Option<&str>) -> Result<RequestBuilder, CallError> {
    match lease {
        Some(token) => Ok(request.header(header::LEASE, secret_value(token)?)),
        None => Ok(request),
    }
}

/// As [`answer_any_time`], for requests whose body is small.
async fn answer(request: RequestBuilder) -> Result<Response, CallError> {
    timeout(STALL_TIMEOUT, answer_any_time(request)).await.unwrap_or_else(|_| Err(stalled()))
}

/// Sends a request and returns an answer with 2xx; everything else is an error. The caller watches for stalls.
async fn answer_any_time(request: RequestBuilder) -> Result<Response, CallError> {
    let mut response = request.send().await.map_err(|error| outcome::of_failure(&error))?;
    let status = response.status();
    if status.is_success() {
        return if is_web_page(&response) { Err(CallError::Foreign("a web page came".into())) } else { Ok(response) };
    }
    let body = capped_body(&mut response).await?;
    Err(outcome::of_answer(status.as_u16(), response.headers(), &body))
}

async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CallError> {
    json_body(answer(request).await?).await
}

async fn json_body<T: DeserializeOwned>(mut response: Response) -> Result<T, CallError> {
    let body = capped_body(&mut response).await?;
    serde_json::from_slice(&body).map_err(|_| match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        Ok(_) => CallError::Broken("its answer does not have the members that it must have".into()),
        Err(_) => CallError::Foreign("the answer is not JSON".into()),
    })
}

/// What a network that wants its users to sign in first says in place of the server.
fn is_web_page(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

/// Reads a body that has to fit into memory.
async fn capped_body(response: &mut Response) -> Result<Vec<u8>, CallError> {
    let (mut body, mut floor) = (Vec::new(), Floor::new());
    while let Some(piece) = floor.next(response).await? {
        if body.len() + piece.len() > MAX_JSON_BODY_BYTES {
            return Err(CallError::Broken("its answer is too long".into()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn secret_value(token: &str) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::from_str(token).map_err(|_| CallError::Unsendable("a token cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn another_transfer() -> CallError {
    CallError::Broken("it answered about another transfer".into())
}

fn stalled() -> CallError {
    again("nothing moved for too long")
}

fn again(reason: &str) -> CallError {
    CallError::Again { reason: reason.into(), after: None }
}
