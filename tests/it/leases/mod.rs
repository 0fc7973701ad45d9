//! Downloads with a limit: who gets a place, what spends it, what gives it back, and what is swept in the end.

mod client;
mod gc;
mod paths;
pub(crate) mod races;
mod rules;

use haulier_wire::ProblemType;
use haulier_wire::api::{CreateRequest, Info, LeaseEnd, LeaseEndResponse, LeaseResponse};
use haulier_wire::header::LEASE;
use haulier_wire::number::ByteLen;
use reqwest::{Method, RequestBuilder};

use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample};

pub(crate) const CHUNK: u64 = 65_536;

/// A FULL transfer of so many chunks that may be downloaded so often.
pub(crate) async fn limited(http: &Http, chunks: u64, max_downloads: u64) -> Sample {
    let sample = Sample::new(chunks * CHUNK, CHUNK);
    send(http, &sample, &with_limit(sample.create_request(), max_downloads)).await;
    sample
}

pub(crate) fn with_limit(request: CreateRequest, max_downloads: u64) -> CreateRequest {
    CreateRequest { max_downloads: ByteLen::new(max_downloads), ..request }
}

pub(crate) async fn send(http: &Http, sample: &Sample, request: &CreateRequest) {
    sample.create_with(http, request).await.ok();
    for index in 0..sample.layout.total_chunks() {
        sample.put(http, index, 0).await.ok();
    }
    sample.complete(http).await.ok();
}

/// One reader with a lease token.
pub(crate) struct Guest<'a> {
    pub(crate) http: &'a Http,
    pub(crate) sample: &'a Sample,
    pub(crate) token: String,
}

impl<'a> Guest<'a> {
    pub(crate) fn new(http: &'a Http, sample: &'a Sample, number: usize) -> Self {
        Self { http, sample, token: format!("the-lease-token-of-guest-{number}") }
    }

    fn request(&self, method: Method, route: &str) -> RequestBuilder {
        let path = format!("/api/transfers/{}", route.replace("ID", self.sample.id.as_str()));
        self.http.request(method, &path).bearer_auth(DOWNLOAD_TOKEN).header(LEASE, &self.token)
    }

    pub(crate) async fn take(&self) -> Reply {
        Reply::to(self.request(Method::POST, "lease/ID")).await
    }

    pub(crate) async fn taken(&self) -> LeaseResponse {
        self.take().await.ok().json()
    }

    pub(crate) async fn commit(&self) -> Reply {
        Reply::to(self.request(Method::POST, "lease/ID/commit")).await
    }

    pub(crate) async fn give_back(&self) -> LeaseEnd {
        let reply = Reply::to(self.request(Method::DELETE, "lease/ID")).await;
        reply.ok().json::<LeaseEndResponse>().status
    }

    pub(crate) async fn chunk(&self, index: u32) -> Reply {
        Reply::to(self.request(Method::GET, &format!("download/ID/chunk/{index}"))).await
    }

    pub(crate) async fn read(&self, route: &str) -> Reply {
        Reply::to(self.request(Method::GET, route)).await
    }

    /// Reads every chunk and compares it.
    pub(crate) async fn reads_all(&self) {
        for index in 0..self.sample.layout.total_chunks() {
            assert!(self.chunk(index).await.ok().body == self.sample.chunk(index, 0), "chunk {index}");
        }
    }
}

pub(crate) async fn info(http: &Http, sample: &Sample) -> Info {
    sample.info(http).await.ok().json()
}

/// Downloads counted, and how many are left.
pub(crate) async fn counts(http: &Http, sample: &Sample) -> (u64, u64) {
    let info = info(http, sample).await;
    (info.download_count, info.downloads_remaining)
}

/// Asserts that a refusal is a clear one: somebody else has the place, or it is spent.
pub(crate) fn is_clear(reply: Reply) {
    match reply.status.as_u16() {
        409 => drop(reply.is(ProblemType::PlacesTaken)),
        _ => drop(reply.is(ProblemType::TransferExhausted)),
    }
}

/// The whole payload, without a lease token.
pub(crate) async fn whole(http: &Http, sample: &Sample) -> Reply {
    Reply::to(http.get(&format!("/api/transfers/download/{}", sample.id)).bearer_auth(DOWNLOAD_TOKEN)).await
}
