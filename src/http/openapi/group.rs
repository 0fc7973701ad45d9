//! Problems that come together, and the parameters of requests.

use haulier_wire::ProblemType::{self, *};

/// A client over its rate; a server that is full or about to stop, or that has a fault.
pub(super) const ANY: &[ProblemType] = &[RateLimited, Unavailable, Internal];
/// Whatever reads a row.
pub(super) const STORE: &[ProblemType] = &[RateLimited, Unavailable, Internal, StoreUnavailable];
/// Whatever writes.
pub(super) const WRITE: &[ProblemType] = &[InsufficientStorage];
/// Whatever names a transfer.
pub(super) const TRANSFER: &[ProblemType] = &[InvalidTransferId, TransferNotFound];
/// Whatever needs a transfer that is still there.
pub(super) const GONE: &[ProblemType] = &[TransferDeleted, TransferExpired, TransferExhausted];
/// Whatever takes a token.
pub(super) const TOKEN: &[ProblemType] = &[InvalidRequest, ConflictingTokens, MissingToken, WrongToken];
/// Whatever takes a download token: wrong ones are counted.
pub(super) const GUESS: &[ProblemType] = &[TooManyWrongTokens];
/// Whatever reads bytes of a transfer that may have a limit of downloads.
pub(super) const LEASE: &[ProblemType] = &[PlacesTaken, LeaseRequired, LeaseEnded, TransferExhausted, LeaseUsedUp];
/// Whatever may take an access token, and what it may not do.
pub(super) const ACCESS: &[ProblemType] = &[
    InvalidRequest,
    ConflictingTokens,
    MissingToken,
    TokenUnknown,
    TokenRevoked,
    TokenExpired,
    TokenUsedUp,
    TooManyUploads,
    RateLimited,
    QuotaExceeded,
];
/// Whatever an owner does: what has none belongs to the access token that created it.
pub(super) const CREATOR: &[ProblemType] = &[TokenUnknown, TokenRevoked, TokenExpired];
/// Whatever has a JSON body.
pub(super) const JSON: &[ProblemType] = &[InvalidBody, BodyIncomplete, RequestTimeout, BodyTooLarge];
/// Whatever may be asked for in parts.
pub(super) const CONTENT: &[ProblemType] = &[TransferPending, PreconditionFailed, RangeNotSatisfiable];

/// What routes look at beside tokens, and what it is for.
pub(super) const PARAMETERS: &[(&str, &str, &str)] = &[
    ("access_token", "query", "The access token, as some clients of the older system send it."),
    ("Content-Digest", "header", "`sha-256=:BASE64:` of the body (RFC 9530), verified before anything is kept."),
    ("If-Match", "header", "412 unless one of these entity tags is the content's."),
    ("If-None-Match", "header", "304 if one of these entity tags is the content's."),
    ("If-Range", "header", "The range holds only if this entity tag is the content's."),
    (
        "Haulier-Lease",
        "header",
        "The token of a reserved download, made by the client; needed where the transfer has a limit.",
    ),
    ("Range", "header", "`bytes=A-B`, `bytes=A-` or `bytes=-N`; anything else is ignored."),
    ("data", "query", "The payload in base64, instead of a body."),
];
/// What reads of bytes look at.
pub(super) const READING: &[&str] = &["Haulier-Lease", "If-Match", "If-None-Match", "If-Range", "Range"];
