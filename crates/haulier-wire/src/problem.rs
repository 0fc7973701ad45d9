//! RFC 9457 problem documents: one table of types for the server that sends them and the clients that read them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The media type of every 4xx and 5xx body.
pub const PROBLEM_JSON: &str = "application/problem+json";

const PREFIX: &str = "urn:haulier:problem:";

macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $status:literal $name:literal $title:literal;)*) => {
        /// What went wrong, as a client can act on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemType {
            /// Every type, in order of status.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The last part of the type's URI.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that the type goes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The short text for people, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

problem_types! {
    /// The request line, a header or the query cannot be read.
    InvalidRequest = 400 "invalid-request" "The request cannot be read";
    /// The body is not the JSON that the route takes.
    InvalidBody = 400 "invalid-body" "The body is not what this route takes";
    /// Not a transfer id.
    InvalidTransferId = 400 "invalid-transfer-id" "That is not a transfer id";
    /// Not a chunk index in its shortest decimal form.
    InvalidChunkIndex = 400 "invalid-chunk-index" "That is not a chunk index";
    /// The body's length is not the chunk's.
    WrongChunkLength = 400 "wrong-chunk-length" "The chunk has the wrong length";
    /// The body ended before its Content-Length.
    BodyIncomplete = 400 "body-incomplete" "The body ended early";
    /// Numbers that contradict each other, or a limit that is out of range.
    InvalidNumbers = 400 "invalid-numbers" "The numbers do not describe a transfer";
    /// Neither FULL nor SEED.
    MixedKind = 400 "mixed-kind" "The transfer is of neither kind";
    /// The same role's token twice, with different values.
    ConflictingTokens = 400 "conflicting-tokens" "Two different tokens for one role";
    /// The route needs a token.
    MissingToken = 401 "missing-token" "A token is missing";
    /// Nobody has this access token, or it is good for something else.
    TokenUnknown = 401 "token-unknown" "The access token is not known";
    /// The operator revoked the access token.
    TokenRevoked = 401 "token-revoked" "The access token was revoked";
    /// The access token's time is over.
    TokenExpired = 401 "token-expired" "The access token has expired";
    /// The access token has created as many transfers as it may.
    TokenUsedUp = 401 "token-used-up" "The access token is used up";
    /// The token is not the one that the route needs.
    WrongToken = 403 "wrong-token" "The token is not the right one";
    /// No such route.
    RouteNotFound = 404 "route-not-found" "There is nothing here";
    /// No such transfer.
    TransferNotFound = 404 "transfer-not-found" "There is no such transfer";
    /// The transfer is not complete yet.
    TransferPending = 404 "transfer-pending" "The sender is still uploading";
    /// The transfer has fewer chunks.
    ChunkNotFound = 404 "chunk-not-found" "The transfer has no such chunk";
    /// The route exists for other methods.
    MethodNotAllowed = 405 "method-not-allowed" "The method is not allowed here";
    /// No byte arrived for too long.
    RequestTimeout = 408 "request-timeout" "The request body stopped arriving";
    /// The id is taken by a transfer with other members.
    TransferExists = 409 "transfer-exists" "The transfer id is taken";
    /// Other bytes are stored under this index.
    ChunkConflict = 409 "chunk-conflict" "Other bytes are stored under this index";
    /// Not every chunk is there.
    ChunksMissing = 409 "chunks-missing" "Not every chunk is there";
    /// Other sealed metadata was set before, or none was ever given.
    SealedMetadataConflict = 409 "sealed-metadata-conflict" "The sealed metadata is missing or another was set";
    /// The transfer has no owner token.
    DeleteNotEnabled = 409 "delete-not-enabled" "The transfer has no owner token";
    /// Every download that is not spent is under way.
    PlacesTaken = 409 "places-taken" "Every download that is left is under way";
    /// The transfer has a limit, and the request no lease.
    LeaseRequired = 409 "lease-required" "The download needs a lease";
    /// There is no such lease, or it has ended.
    LeaseEnded = 409 "lease-ended" "The lease has ended";
    /// The owner deleted it.
    TransferDeleted = 410 "transfer-deleted" "The transfer was deleted";
    /// Its time is over.
    TransferExpired = 410 "transfer-expired" "The transfer has expired";
    /// Every download of its limit is spent.
    TransferExhausted = 410 "transfer-exhausted" "Every download of the transfer is spent";
    /// The lease has read twice the payload.
    LeaseUsedUp = 410 "lease-used-up" "The lease is used up";
    /// Content-Length is required.
    LengthRequired = 411 "length-required" "Content-Length is required";
    /// If-Match or If-Unmodified-Since does not hold.
    PreconditionFailed = 412 "precondition-failed" "A precondition does not hold";
    /// The body is larger than the route takes.
    BodyTooLarge = 413 "body-too-large" "The body is too large";
    /// The range lies outside the content.
    RangeNotSatisfiable = 416 "range-not-satisfiable" "The range lies outside the content";
    /// The body does not have its Content-Digest.
    DigestMismatch = 422 "digest-mismatch" "The body does not have its digest";
    /// Too many wrong download tokens from one client for one transfer.
    TooManyWrongTokens = 429 "too-many-wrong-tokens" "Too many wrong tokens";
    /// Too many uploads are open.
    TooManyUploads = 429 "too-many-uploads" "Too many uploads are open";
    /// Too many requests within a while.
    RateLimited = 429 "rate-limited" "Too many requests";
    /// The header section is too large.
    HeadersTooLarge = 431 "headers-too-large" "The headers are too large";
    /// A fault of the server; its log has the reason.
    Internal = 500 "internal" "The server failed";
    /// The database or the store is away; try again.
    StoreUnavailable = 503 "store-unavailable" "The storage is not available";
    /// The server is shutting down or full; try again.
    Unavailable = 503 "unavailable" "The server is not available";
    /// The disk is full.
    InsufficientStorage = 507 "insufficient-storage" "The storage is full";
    /// The transfers of the access token, or of the server, may not hold so much.
    QuotaExceeded = 507 "quota-exceeded" "The quota is used up";
}

/// A URI that names no [`ProblemType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown problem type")]
pub struct UnknownProblemType;

impl fmt::Display for ProblemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.name())
    }
}

impl FromStr for ProblemType {
    type Err = UnknownProblemType;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let name = uri.strip_prefix(PREFIX).ok_or(UnknownProblemType)?;
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or(UnknownProblemType)
    }
}

impl Serialize for ProblemType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProblemType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let uri = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        uri.parse().map_err(serde::de::Error::custom)
    }
}

/// One problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// What went wrong.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// The type's short text.
    pub title: String,
    /// The HTTP status, again.
    pub status: u16,
    /// What happened this time and what to do next; absent on 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// This occurrence, as the server's log names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// With chunks-missing: inclusive ranges of indices, the first 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<[u32; 2]>>,
    /// With chunks-missing: whether more ranges are missing than `missing` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<bool>,
    /// With wrong-chunk-length: bytes that the chunk must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_bytes: Option<u64>,
    /// With body-too-large: the most bytes that the route takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// With quota-exceeded: bytes that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_bytes: Option<u64>,
    /// With most 429: the Retry-After of the answer, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// Starts a document of one type, without members of its own.
    #[must_use]
    pub fn new(kind: ProblemType) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: None,
            instance: None,
            missing: None,
            more: None,
            expected_bytes: None,
            max_bytes: None,
            left_bytes: None,
            retry_after_seconds: None,
        }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

#[cfg(test)]
mod tests;
