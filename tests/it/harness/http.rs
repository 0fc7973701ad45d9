//! A client that asserts of every reply what holds for all of them.

use bytes::Bytes;
use haulier_wire::problem::PROBLEM_JSON;
use haulier_wire::{Problem, ProblemType};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use super::Server;
use super::documented::assert_documented;

/// Requests to one server.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    base: String,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(server: &Server) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { client, base: server.url().to_owned() }
    }

    /// Requests to any address, such as `http://127.0.0.1:9090`.
    pub(crate) fn at(base: &str) -> Self {
        Self { client: Client::builder().no_proxy().build().expect("a client"), base: base.to_owned() }
    }

    /// With a client that was built for the occasion.
    pub(crate) fn with_client(server: &Server, client: Client) -> Self {
        Self { client, base: server.url().to_owned() }
    }

    /// A request to a path such as `/api/config`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.request(Method::PUT, path)
    }
}

impl Reply {
    /// Sends a request and reads the reply. Every 4xx and 5xx must be a problem document.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        Self::try_to(request).await.expect("a reply")
    }

    /// As [`Reply::to`], for servers that may go away.
    pub(crate) async fn try_to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let (client, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let is_head = method == Method::HEAD;
        let response = client.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let reply = Self { status, headers, body: response.bytes().await? };
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(reply.headers.get(CONTENT_TYPE).expect("a media type"), PROBLEM_JSON, "{reply:?}");
            if !is_head {
                let problem: Problem = reply.json();
                assert_eq!(problem.status, status.as_u16());
                assert_eq!(problem.kind.status(), status.as_u16());
                assert_eq!(problem.title, problem.kind.title());
                assert!(problem.instance.as_deref().is_some_and(is_request_id), "{problem:?}");
                assert!(status.is_client_error() || status.as_u16() == 507 || problem.detail.is_none(), "{problem:?}");
            }
        }
        let problem = (!is_head && !status.is_success()).then(|| serde_json::from_slice(&reply.body).ok()).flatten();
        assert_documented(&method, &path, status, problem.as_ref());
        Ok(reply)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts success.
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{self:?}");
        self
    }

    /// Asserts one kind of problem.
    pub(crate) fn is(self, kind: ProblemType) -> Problem {
        assert_eq!(self.status.as_u16(), kind.status(), "{self:?}");
        let problem: Problem = self.json();
        assert_eq!(problem.kind, kind, "{problem:?}");
        problem
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().expect("ASCII")
    }
}

/// Whether a problem says which request it was.
pub(crate) fn is_request_id(instance: &str) -> bool {
    let id = instance.strip_prefix("urn:haulier:request:");
    id.is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
