//! Every route: what it takes, what it answers. The document, the page and `Allow` are made from this table, and tests
//! compare it with the router.

use haulier_wire::ProblemType::*;
use haulier_wire::api::{
    ChunkResponse, CompleteRequest, CreateResponse, DeleteResponse, Info, LeaseEndResponse, LeaseResponse, Manifest,
    ServerConfig, UpdateRequest, UploadStatus,
};
use haulier_wire::legacy::PayloadCreated;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::group::{ACCESS, ANY, CONTENT, CREATOR, GONE, GUESS, JSON, LEASE, READING, STORE, TOKEN, TRANSFER, WRITE};
use super::legacy;
use super::operation::{Answer, Body, Content, Operation, Route, Shape};
use crate::http::token::Role;

/// The place of a type in the document.
macro_rules! shape {
    ($type:ty) => {
        SchemaGenerator::subschema_for::<$type> as Shape
    };
}
pub(super) use shape;

pub(super) const ROUTES: &[Route] = &[
    Route { path: "/api/transfers/create", operations: &[CREATE] },
    Route { path: "/api/transfers/upload/{id}/chunk/{n}", operations: &[UPLOAD_CHUNK] },
    Route { path: "/api/transfers/upload/{id}", operations: &[UPLOAD_STATUS, UPDATE, legacy::UPLOAD] },
    Route { path: "/api/transfers/complete/{id}", operations: &[COMPLETE] },
    Route { path: "/api/transfers/manifest/{id}", operations: &[MANIFEST] },
    Route { path: "/api/transfers/info/{id}", operations: &[INFO] },
    Route { path: "/api/transfers/download/{id}/chunk/{n}", operations: &[DOWNLOAD_CHUNK] },
    Route { path: "/api/transfers/download/{id}", operations: &[DOWNLOAD] },
    Route { path: "/api/transfers/lease/{id}", operations: &[LEASE_TAKE, LEASE_GIVE_BACK] },
    Route { path: "/api/transfers/lease/{id}/commit", operations: &[LEASE_COMMIT] },
    Route { path: "/api/transfers/delete/{id}", operations: &[DELETE] },
    Route { path: "/api/transfers/download-base64/{id}", operations: &[legacy::DOWNLOAD_BASE64] },
    Route { path: "/api/transfers/check-token/{name}", operations: &[legacy::CHECK_TOKEN] },
    Route { path: "/api/transfers/validate-token/{name}", operations: &[legacy::VALIDATE_TOKEN] },
    Route { path: "/api/presigned/capabilities", operations: &[legacy::CAPABILITIES] },
    Route { path: "/api/presigned/initiate", operations: &[legacy::PRESIGNED_INITIATE] },
    Route { path: "/api/presigned/complete", operations: &[legacy::PRESIGNED_COMPLETE] },
    Route { path: "/api/presigned/cancel/{id}/{upload}", operations: &[legacy::PRESIGNED_CANCEL] },
    Route { path: "/api/presigned/upload-url/{id}", operations: &[legacy::PRESIGNED_UPLOAD_URL] },
    Route { path: "/api/presigned/download-url/{id}", operations: &[legacy::PRESIGNED_DOWNLOAD_URL] },
    Route { path: "/api/config", operations: &[CONFIG] },
    Route { path: "/api/openapi.json", operations: &[OPENAPI] },
    Route { path: "/api/docs", operations: &[DOCS] },
    Route { path: "/info/health", operations: &[legacy::HEALTH] },
    Route { path: "/healthz", operations: &[HEALTHZ] },
    Route { path: "/readyz", operations: &[READYZ] },
    Route { path: "/metrics", operations: &[METRICS] },
];

const CREATE: Operation = Operation {
    methods: &["POST"],
    name: "create",
    says: "Makes a transfer. Of chunks: the same members again get the first answer. Of the older system's one payload, \
           where no member of chunks is there: never the same one again.",
    token: Some(Role::Access),
    parameters: &["access_token"],
    body: Body::Json { shape: legacy::create_request, is_required: true },
    answers: &[
        Answer {
            status: 201,
            says: "The transfer is there, and waits for its chunks.",
            content: Content::Json(shape!(CreateResponse)),
            headers: &[],
        },
        Answer::ok("The transfer is there, and waits for its payload.", shape!(PayloadCreated)),
    ],
    problems: &[JSON, STORE, WRITE, GONE, ACCESS, &[InvalidTransferId, InvalidNumbers, MixedKind, TransferExists]],
};

const UPLOAD_CHUNK: Operation = Operation {
    methods: &["PUT", "POST"],
    name: "upload_chunk",
    says: "Stores one sealed chunk, in any order, any number at a time.",
    token: Some(Role::Owner),
    parameters: &["Content-Digest"],
    body: Body::Bytes,
    answers: &[
        Answer {
            status: 201,
            says: "The chunk is stored for good.",
            content: Content::Json(shape!(ChunkResponse)),
            headers: &[],
        },
        Answer::ok("The same bytes were there.", shape!(ChunkResponse)),
    ],
    problems: &[
        TRANSFER,
        GONE,
        TOKEN,
        CREATOR,
        STORE,
        WRITE,
        &[InvalidChunkIndex, WrongChunkLength, BodyIncomplete, ChunkNotFound, RequestTimeout, ChunkConflict],
        &[LengthRequired, BodyTooLarge, DigestMismatch],
    ],
};

const UPLOAD_STATUS: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "upload_status",
    says: "Says what of an upload is there and what is missing.",
    token: Some(Role::Owner),
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("How far the upload is.", shape!(UploadStatus))],
    problems: &[TRANSFER, GONE, TOKEN, CREATOR, STORE],
};

const UPDATE: Operation = Operation {
    methods: &["PATCH"],
    name: "update",
    says: "Changes when a transfer expires, and how often it can be downloaded. An absent member changes nothing.",
    token: Some(Role::Owner),
    parameters: &[],
    body: Body::Json { shape: shape!(UpdateRequest), is_required: false },
    answers: &[Answer::ok("As the transfer is now.", shape!(UploadStatus))],
    problems: &[TRANSFER, GONE, TOKEN, CREATOR, JSON, STORE, WRITE, &[InvalidNumbers, DeleteNotEnabled]],
};

const COMPLETE: Operation = Operation {
    methods: &["POST"],
    name: "complete",
    says: "Freezes a transfer once every chunk is there. Again: the same answer.",
    token: Some(Role::Owner),
    parameters: &["access_token"],
    body: Body::Json { shape: shape!(CompleteRequest), is_required: false },
    answers: &[Answer::ok("The transfer can be read.", legacy::complete_response)],
    problems: &[
        TRANSFER,
        GONE,
        TOKEN,
        CREATOR,
        JSON,
        STORE,
        WRITE,
        &[ChunksMissing, SealedMetadataConflict, MixedKind],
    ],
};

const MANIFEST: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "manifest",
    says: "Says what a reader must know of a transfer's chunks.",
    token: Some(Role::Download),
    parameters: &["Haulier-Lease", "If-None-Match"],
    body: Body::Nothing,
    answers: &[Answer { headers: &["ETag"], ..Answer::ok("The manifest.", shape!(Manifest)) }, Answer::NOT_MODIFIED],
    problems: &[TRANSFER, GONE, TOKEN, GUESS, LEASE, STORE, &[TransferPending]],
};

const INFO: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "info",
    says: "Says what everybody may know of a transfer, also while it is pending.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("Nothing that is sealed.", shape!(Info))],
    problems: &[TRANSFER, GONE, STORE],
};

const DOWNLOAD_CHUNK: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "download_chunk",
    says: "Reads one sealed chunk.",
    token: Some(Role::Download),
    parameters: READING,
    body: Body::Nothing,
    answers: &[
        Answer {
            headers: &["Accept-Ranges", "Content-Length", "ETag", "Repr-Digest"],
            ..Answer::bytes(200, "The sealed chunk.")
        },
        PARTIAL,
        Answer::NOT_MODIFIED,
    ],
    problems: &[TRANSFER, GONE, TOKEN, GUESS, LEASE, STORE, CONTENT, &[InvalidChunkIndex, ChunkNotFound]],
};

const PARTIAL: Answer = Answer {
    headers: &["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
    ..Answer::bytes(206, "The part that `Range` asks for.")
};

const DOWNLOAD: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "download",
    says: "Reads all sealed chunks, end to end, or the payload.",
    token: Some(Role::Download),
    parameters: READING,
    body: Body::Nothing,
    answers: &[Answer::bytes(200, "All of it."), PARTIAL, Answer::NOT_MODIFIED],
    problems: &[TRANSFER, GONE, TOKEN, GUESS, LEASE, STORE, CONTENT],
};

const LEASE_TAKE: Operation = Operation {
    methods: &["POST"],
    name: "take_lease",
    says: "Takes a place in a transfer with a limit of downloads. The same token again is the same place.",
    token: Some(Role::Download),
    parameters: &["Haulier-Lease"],
    body: Body::Nothing,
    answers: &[Answer::ok("The place, or that none is needed.", shape!(LeaseResponse))],
    problems: &[TRANSFER, GONE, TOKEN, GUESS, LEASE, STORE, WRITE, &[TransferPending]],
};

const LEASE_COMMIT: Operation = Operation {
    name: "commit_lease",
    says: "Says that the download is complete: its place is spent, and serves on until it ends.",
    ..LEASE_TAKE
};

const LEASE_GIVE_BACK: Operation = Operation {
    methods: &["DELETE"],
    name: "give_back_lease",
    says: "Gives a place back that is not spent.",
    answers: &[Answer::ok("What became of it.", shape!(LeaseEndResponse))],
    ..LEASE_TAKE
};

const DELETE: Operation = Operation {
    methods: &["DELETE"],
    name: "delete",
    says: "Deletes a transfer: after the answer nothing of it can be read.",
    token: Some(Role::Owner),
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("It is deleted, by this request or before.", shape!(DeleteResponse))],
    problems: &[TRANSFER, TOKEN, STORE, WRITE, &[DeleteNotEnabled]],
};

const CONFIG: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "config",
    says: "Says what a client must know before it picks a file.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("The server's limits.", shape!(ServerConfig))],
    problems: &[&[Internal]],
};

const OPENAPI: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "openapi",
    says: "This document.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("OpenAPI 3.1.", object)],
    problems: &[ANY],
};

const DOCS: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "docs",
    says: "This document as a page for people.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer { status: 200, says: "A page.", content: Content::Text("text/html"), headers: &[] }],
    problems: &[ANY],
};

const HEALTHZ: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "healthz",
    says: "Says that the process answers.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("It does.", health)],
    problems: &[&[Internal]],
};

const READYZ: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "readyz",
    says: "Says that the server can do its work: both stores are reached, and it is not about to stop.",
    token: None,
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer::ok("It can.", health)],
    problems: &[&[Unavailable, StoreUnavailable, Internal], WRITE],
};

const METRICS: Operation = Operation {
    methods: &["GET", "HEAD"],
    name: "metrics",
    says: "The operator's metrics; 404 unless the operator set a token for them.",
    token: Some(Role::Metrics),
    parameters: &[],
    body: Body::Nothing,
    answers: &[Answer { status: 200, says: "For Prometheus.", content: Content::Text("text/plain"), headers: &[] }],
    problems: &[TOKEN, &[RouteNotFound, Internal]],
};

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "required": ["openapi", "info", "paths"] })
}

pub(super) fn health(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "status": { "const": "ok" } },
        "required": ["status"],
    })
}
