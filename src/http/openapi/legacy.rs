//! The older system's routes in the table.

use haulier_wire::ProblemType::*;
use haulier_wire::api::{CompleteResponse, CreateRequest};
use haulier_wire::legacy::{PayloadCompleted, PayloadRequest, PayloadUploaded};
use haulier_wire::{ByteLen, ProblemType, TransferId};
use schemars::{Schema, SchemaGenerator, json_schema};

use super::group::{ACCESS, ANY, GONE, GUESS, LEASE, STORE, TOKEN, TRANSFER, WRITE};
use super::operation::{Answer, Body, Operation, Shape};
use super::table::{health, shape};
use crate::http::token::Role;

/// What all of these have in common: no token, no body.
const PLAIN: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "",
    says: "",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[],
    problems: &[ANY],
};

pub(super) const UPLOAD: Operation = Operation {
    methods: &["POST"],
    name: "upload_payload",
    says: "Stores a payload of the older system. Until complete a second one takes the place of the first. A short body \
           that is JSON with the payload in base64 as `data` is unwrapped.",
    token: Some(Role::Access),
    parameters: &["access_token", "data"],
    body: Body::Bytes,
    answers: &[Answer::ok("The payload is stored.", shape!(PayloadUploaded))],
    problems: &[TRANSFER, STORE, WRITE, ACCESS, &[InvalidBody, BodyIncomplete, RequestTimeout, BodyTooLarge]],
};

pub(super) const DOWNLOAD_BASE64: Operation = Operation {
    name: "download_base64",
    says: "Reads all of a transfer as base64 in JSON.",
    token: Some(Role::Download),
    parameters: &["Haulier-Lease"],
    answers: &[Answer::ok("All of it.", in_base64)],
    problems: &[TRANSFER, GONE, TOKEN, GUESS, LEASE, STORE, &[TransferPending]],
    ..PLAIN
};

pub(super) const CHECK_TOKEN: Operation = Operation {
    name: "check_token",
    says: "Says whether an access token is good.",
    answers: &[Answer::ok("Whether it is.", token_check)],
    problems: &[STORE],
    ..PLAIN
};

pub(super) const VALIDATE_TOKEN: Operation = Operation {
    methods: &["POST"],
    name: "validate_token",
    says: "Says whether an access token is good, as its use.",
    answers: &[Answer::ok("Whether it is.", token_use)],
    problems: &[STORE, WRITE],
    ..PLAIN
};

pub(super) const CAPABILITIES: Operation = Operation {
    name: "presigned_capabilities",
    says: "Says that clients of the older system upload and download through this server.",
    answers: &[Answer::ok("What they may ask for.", capabilities)],
    ..PLAIN
};

/// No URL of an object store is ever handed out.
const REFUSED: &[ProblemType] = &[InvalidRequest];

pub(super) const PRESIGNED_INITIATE: Operation = Operation {
    methods: &["POST"],
    name: "presigned_initiate",
    says: "Refused: see the capabilities.",
    problems: &[ANY, REFUSED],
    ..PLAIN
};

pub(super) const PRESIGNED_COMPLETE: Operation =
    Operation { name: "presigned_complete", problems: &[ANY, REFUSED], ..PRESIGNED_INITIATE };

pub(super) const PRESIGNED_CANCEL: Operation =
    Operation { name: "presigned_cancel", problems: &[ANY, REFUSED], ..PRESIGNED_INITIATE };

pub(super) const PRESIGNED_UPLOAD_URL: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "presigned_upload_url",
    problems: &[ANY, REFUSED],
    ..PRESIGNED_INITIATE
};

pub(super) const PRESIGNED_DOWNLOAD_URL: Operation =
    Operation { name: "presigned_download_url", problems: &[ANY, REFUSED], ..PRESIGNED_UPLOAD_URL };

pub(super) const HEALTH: Operation = Operation {
    name: "info_health",
    says: "Says that the process answers, as the older system does.",
    answers: &[Answer::ok("It does.", health)],
    ..PLAIN
};

/// Either system's request.
pub(super) fn create_request(generator: &mut SchemaGenerator) -> Schema {
    let (chunks, payload) = (shape!(CreateRequest)(generator), shape!(PayloadRequest)(generator));
    json_schema!({ "anyOf": [chunks, payload] })
}

/// Either system's answer.
pub(super) fn complete_response(generator: &mut SchemaGenerator) -> Schema {
    let (chunks, payload) = (shape!(CompleteResponse)(generator), shape!(PayloadCompleted)(generator));
    json_schema!({ "anyOf": [chunks, payload] })
}

fn in_base64(generator: &mut SchemaGenerator) -> Schema {
    let (id, size) = (shape!(TransferId)(generator), shape!(ByteLen)(generator));
    json_schema!({
        "type": "object",
        "properties": {
            "transfer_id": id,
            "data": { "type": "string", "contentEncoding": "base64" },
            "file_size_bytes": size,
        },
        "required": ["transfer_id", "data", "file_size_bytes"],
    })
}

fn token_check(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "valid": { "type": "boolean" },
            "status": { "type": "string" },
            "reason": { "type": "string" },
            "remaining": { "type": "integer" },
        },
        "required": ["valid"],
    })
}

fn token_use(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "success": { "type": "boolean" },
            "reason": { "type": "string" },
            "usage_count": { "type": "integer" },
            "remaining": { "type": "integer" },
        },
        "required": ["success"],
    })
}

fn capabilities(_: &mut SchemaGenerator) -> Schema {
    let flag = || json_schema!({ "type": "boolean" });
    let number = || json_schema!({ "type": "integer", "minimum": 1 });
    json_schema!({
        "type": "object",
        "properties": {
            "presigned_upload": flag(),
            "multipart_upload": flag(),
            "presigned_download": flag(),
            "direct_upload": flag(),
            "max_part_size": number(),
            "min_part_size": number(),
            "max_parts": number(),
        },
        "required": ["presigned_upload", "multipart_upload", "presigned_download", "direct_upload"],
    })
}
