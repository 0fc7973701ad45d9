//! The JSON bodies of the lease routes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::TransferId;
use crate::number::ByteLen;

/// Answer to POST lease/{id} and POST lease/{id}/commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseResponse {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Whether the transfer has a limit; without one nothing was taken, and reads need no lease.
    pub limited: bool,
    /// Whether the place is spent: it serves on until `ends_at`, and is never given back.
    pub spent: bool,
    /// All that the transfer has to read, in sealed bytes.
    pub payload_bytes: ByteLen,
    /// Body bytes that were allowed to leave.
    pub charged_bytes: ByteLen,
    /// When the lease ends if nothing more is read; null without a limit.
    pub ends_at: Option<Timestamp>,
}

/// Answer to DELETE lease/{id}.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseEndResponse {
    /// The transfer.
    pub transfer_id: TransferId,
    /// What this request did.
    pub status: LeaseEnd,
}

/// What a DELETE of a lease did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Its place is free for others.
    GivenBack,
    /// Its place is spent, and the lease serves on until it ends.
    Spent,
    /// There was no such lease, or it had ended.
    Ended,
}
