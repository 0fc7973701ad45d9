//! The JSON schemas of what is written by hand in this crate. The derived ones stand with their types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::encoding::Base64Url;
use crate::encryption::TagLength;
use crate::id::{TokenHash, TransferId};
use crate::number::{ByteLen, ChunkCount, ChunkIndex};
use crate::problem::ProblemType;

macro_rules! schemas {
    ($($type:ident = $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schemas! {
    TransferId = {
        "type": "string",
        "pattern": "^([0-9a-f]{32}|[0-9a-f]{12})$",
        "description": "32 lowercase hex digits; 12 in the legacy system.",
    };
    TokenHash = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 of the token's text, in lowercase hex digits.",
    };
    Base64Url = {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]*$",
        "contentEncoding": "base64url",
        "description": "Base64url without padding, unused bits zero.",
    };
    ChunkIndex = {
        "type": "integer",
        "minimum": ChunkIndex::MIN.get(),
        "maximum": ChunkIndex::MAX.get(),
        "description": "The place of a chunk in its transfer, from 0.",
    };
    ChunkCount = {
        "type": "integer",
        "minimum": ChunkCount::MIN.get(),
        "maximum": ChunkCount::MAX.get(),
        "description": "How many chunks a transfer has: at least 1, also for an empty file.",
    };
    ByteLen = {
        "type": "integer",
        "minimum": ByteLen::MIN.get(),
        "maximum": ByteLen::MAX.get(),
        "description": "A length in bytes, at most 2^53 - 1.",
    };
    TagLength = { "const": 128, "description": "Bits of the tag." };
    ProblemType = {
        "type": "string",
        "enum": ProblemType::ALL.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "description": "What went wrong, as a client can act on it.",
    };
}
