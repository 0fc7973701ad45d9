//! The legacy system's routes: one blob a transfer, errors as `{"detail": ...}`, no HEAD, no ranges, no entity tags.
//! A Haulier server answers them as well, with problem documents and ranges. No token goes along but the access token, and
//! the one that deletes.

mod arrival;
mod body;

use haulier_wire::api::{DeleteResponse, DeleteStatus, TransferState};
use haulier_wire::{TokenHash, TransferId, header};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_RANGE, RANGE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    Api, CallError, STALL_TIMEOUT, Watch, again, another_transfer, capped_body, is_web_page, json_body, outcome,
    secret_value, stalled,
};

pub(crate) use arrival::BlobArrival;
pub(crate) use body::BlobBody;

use crate::error::Error;

/// What both systems say of a transfer with 12 digits. Everything else in the answer is theirs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LegacyInfo {
    pub(crate) transfer_id: TransferId,
    pub(crate) status: String,
    /// As the sender claimed.
    pub(crate) file_size_bytes: u64,
    #[serde(default)]
    pub(crate) is_expired: bool,
    /// A moment.
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) download_count: u64,
    /// 0: no limit.
    #[serde(default)]
    pub(crate) max_downloads: u64,
    /// Empty, or a moment.
    #[serde(default)]
    pub(crate) expires_at: String,
    /// Of a Haulier server alone.
    #[serde(default)]
    pub(crate) format: Option<String>,
}

impl LegacyInfo {
    /// Whether it has chunks, and a manifest that says the rest.
    pub(crate) fn has_chunks(&self) -> bool {
        self.format.as_deref().is_some_and(|format| format != "payload")
    }

    /// The state of a transfer that is there.
    ///
    /// # Errors
    /// [`Error::Expired`] and [`Error::Deleted`]; [`Error::Protocol`] for a state that is none.
    pub(crate) fn state(&self) -> Result<TransferState, Error> {
        match self.status.as_str() {
            "expired" => Err(Error::Expired),
            "deleted" => Err(Error::Deleted),
            _ if self.is_expired => Err(Error::Expired),
            "pending" => Ok(TransferState::Pending),
            "completed" => Ok(TransferState::Completed),
            "exhausted" => Ok(TransferState::Exhausted),
            _ => Err(Error::Protocol { what: "the transfer is in a state that is none".into() }),
        }
    }
}

/// Body of the legacy create.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LegacyCreate {
    pub(crate) file_size_bytes: u64,
    /// Empty: a type would say what is in it.
    pub(crate) content_type_hint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_downloads: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
    /// Of the token that deletes it.
    pub(crate) delete_auth_hash: TokenHash,
}

#[derive(Deserialize)]
struct Created {
    transfer_id: TransferId,
}

#[derive(Deserialize)]
struct Uploaded {
    transfer_id: TransferId,
    size: u64,
}

impl Api {
    pub(crate) async fn legacy_info(&self, id: TransferId) -> Result<LegacyInfo, CallError> {
        let info: LegacyInfo = json_body(answer(self.client.get(self.server.transfer_url("info", id))).await?).await?;
        if info.transfer_id == id { Ok(info) } else { Err(another_transfer()) }
    }

    /// Makes a transfer and returns its id, which the server chose.
    pub(crate) async fn legacy_create(
        &self,
        body: &LegacyCreate,
        access: Option<&str>,
    ) -> Result<TransferId, CallError> {
        let request = with_access(self.client.post(self.server.create_url()).json(body), access)?;
        let created: Created = json_body(answer(request).await?).await?;
        if created.transfer_id.is_legacy() { Ok(created.transfer_id) } else { Err(another_transfer()) }
    }

    /// Sends a blob whole.
    pub(crate) async fn legacy_upload(
        &self,
        id: TransferId,
        access: Option<&str>,
        body: BlobBody,
        watch: Watch,
    ) -> Result<(), CallError> {
        let len = body.len();
        let request = with_access(self.client.post(self.server.transfer_url("upload", id)), access)?
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, len)
            .body(reqwest::Body::wrap(body));
        let response = tokio::select! {
            answer = answer_any_time(request) => answer?,
            () = watch.stalled(STALL_TIMEOUT) => return Err(stalled()),
        };
        let uploaded: Uploaded = json_body(response).await?;
        match uploaded {
            Uploaded { transfer_id, .. } if transfer_id != id => Err(another_transfer()),
            Uploaded { size, .. } if size != len => {
                Err(CallError::Broken(format!("it stored {size} bytes of a blob of {len}")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn legacy_complete(&self, id: TransferId, access: Option<&str>) -> Result<(), CallError> {
        let request = self.client.post(self.server.transfer_url("complete", id)).header(CONTENT_LENGTH, 0);
        let completed: Created = json_body(answer(with_access(request, access)?).await?).await?;
        if completed.transfer_id == id { Ok(()) } else { Err(another_transfer()) }
    }

    /// Deletes a transfer by the token whose hash create brought; says whether it had been deleted before.
    pub(crate) async fn legacy_delete(&self, id: TransferId, token: &str) -> Result<DeleteStatus, CallError> {
        let request = self.client.delete(self.server.transfer_url("delete", id));
        let request = request.header(header::OWNER_TOKEN, secret_value(token)?);
        let deleted: DeleteResponse = json_body(answer(request).await?).await?;
        if deleted.transfer_id == id { Ok(deleted.status) } else { Err(another_transfer()) }
    }

    /// Fetches a blob, or what is missing of it: `arrival` keeps what a try brought before it broke.
    ///
    /// A server without ranges sends it from the beginning, every time.
    pub(crate) async fn get_blob(
        &self,
        id: TransferId,
        arrival: &mut BlobArrival,
        watch: &Watch,
    ) -> Result<(), CallError> {
        let here = || self.server.transfer_url("download", id);
        let mut request = self.client.get(arrival.elsewhere.clone().unwrap_or_else(here));
        let from = arrival.resume_at();
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(etag) = arrival.etag() {
                request = request.header(IF_RANGE, etag);
            }
        }
        let mut response = match answer(request).await {
            // Such an address is good for an hour; what has arrived from it stays.
            Err(error) if arrival.elsewhere.is_some() && is_refusal(&error) => {
                arrival.elsewhere = None;
                return Err(again("the server's object store refused it"));
            }
            Err(error) if from > 0 && super::arrival::is_about_the_range(&error) => {
                arrival.restart(watch);
                return Err(again("the rest was refused"));
            }
            // What its gateway finds too large, the legacy system leaves to its object store.
            Err(CallError::Legacy { status: 413, .. }) if arrival.asks_elsewhere() => {
                arrival.elsewhere = Some(self.presigned_url(id).await?);
                return Err(again("the server hands it out elsewhere"));
            }
            other => other?,
        };
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        if is_part && from == 0 {
            return Err(CallError::Broken("a part came that was not asked for".into()));
        }
        if is_part { arrival.go_on(from, &response, watch) } else { arrival.begin(&response, watch) }?;
        arrival.take(&mut response, watch).await
    }
}

impl Api {
    /// Where the object store behind a legacy server has a blob. No token goes there; plain http only where the server is
    /// spoken to by it.
    async fn presigned_url(&self, id: TransferId) -> Result<Url, CallError> {
        #[derive(Deserialize)]
        struct Presigned {
            transfer_id: TransferId,
            download_url: String,
        }
        let answer = answer(self.client.get(self.server.presigned_download_url(id))).await?;
        let presigned: Presigned = json_body(answer).await?;
        if presigned.transfer_id != id {
            return Err(another_transfer());
        }
        let is_plain = |url: &Url| url.scheme() == "http" && !self.server.is_https();
        let is_safe = |url: &Url| url.has_host() && (url.scheme() == "https" || is_plain(url));
        let url = Url::parse(&presigned.download_url).ok().filter(is_safe);
        url.ok_or_else(|| CallError::Broken("the address that it hands out is not safe".into()))
    }
}

/// Whether an object store answered that it does not give it. That the range lies outside is another matter.
fn is_refusal(error: &CallError) -> bool {
    match error {
        CallError::Legacy { status, .. } => *status != 416,
        CallError::Foreign(_) => true,
        _ => false,
    }
}

fn with_access(request: RequestBuilder, access: Option<&str>) -> Result<RequestBuilder, CallError> {
    Ok(match access {
        Some(token) => request.header(header::ACCESS_TOKEN, secret_value(token)?),
        None => request,
    })
}

async fn answer(request: RequestBuilder) -> Result<Response, CallError> {
    timeout(STALL_TIMEOUT, answer_any_time(request)).await.unwrap_or_else(|_| Err(stalled()))
}

/// As the other routes' answers, but for errors in the legacy system's form.
async fn answer_any_time(request: RequestBuilder) -> Result<Response, CallError> {
    let mut response = request.send().await.map_err(|error| outcome::of_failure(&error))?;
    if response.status().is_success() {
        return if is_web_page(&response) { Err(CallError::Foreign("a web page came".into())) } else { Ok(response) };
    }
    let body = capped_body(&mut response).await?;
    Err(outcome::of_legacy_answer(response.status().as_u16(), response.headers(), &body))
}

#[cfg(test)]
mod tests;
