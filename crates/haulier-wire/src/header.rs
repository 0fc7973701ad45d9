//! Header names that Haulier adds to HTTP, in lower case.

/// Always the access token.
pub const ACCESS_TOKEN: &str = "x-sgraph-access-token";
/// Always the owner token.
pub const OWNER_TOKEN: &str = "x-sgraph-transfer-delete-auth";
/// Digest of the request body (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";
/// Digest of the whole representation (RFC 9530).
pub const REPR_DIGEST: &str = "repr-digest";
/// The token of a reserved download.
pub const LEASE: &str = "haulier-lease";
