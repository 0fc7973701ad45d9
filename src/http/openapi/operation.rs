//! What the table of routes is made of.

use haulier_wire::ProblemType;
use schemars::{Schema, SchemaGenerator};

use crate::http::token::Role;

/// One path and what may be done with it.
#[derive(Debug)]
pub(super) struct Route {
    /// As the router has it, below `/api/transfers` where the base is one of two.
    pub(super) path: &'static str,
    pub(super) operations: &'static [Operation],
}

/// What one or several methods of a path do: HEAD is GET without the body.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) methods: &'static [&'static str],
    /// Its name in the document; the second method gets a suffix.
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    /// Whose token it takes.
    pub(super) token: Option<Role>,
    /// Names of [`super::group::PARAMETERS`] that it looks at.
    pub(super) parameters: &'static [&'static str],
    pub(super) body: Body,
    pub(super) answers: &'static [Answer],
    /// Every problem that it can answer; groups of them have names in [`super::group`].
    pub(super) problems: &'static [&'static [ProblemType]],
}

/// A type's place in the document.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What a request brings.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    /// One object; an empty body where that counts as `{}`.
    Json {
        shape: Shape,
        is_required: bool,
    },
    /// Raw bytes.
    Bytes,
}

/// One way to succeed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) says: &'static str,
    pub(super) content: Content,
    /// Headers that clients use.
    pub(super) headers: &'static [&'static str],
}

/// What an answer holds.
#[derive(Debug)]
pub(super) enum Content {
    Nothing,
    Json(Shape),
    Bytes,
    /// Text of this media type.
    Text(&'static str),
}

impl Answer {
    /// 200 with an object.
    pub(super) const fn ok(says: &'static str, shape: Shape) -> Self {
        Self { status: 200, says, content: Content::Json(shape), headers: &[] }
    }

    /// Bytes, with the headers of content that can be asked for in parts.
    pub(super) const fn bytes(status: u16, says: &'static str) -> Self {
        Self { status, says, content: Content::Bytes, headers: &["Accept-Ranges", "Content-Length", "ETag"] }
    }

    /// 304.
    pub(super) const NOT_MODIFIED: Self = Self {
        status: 304,
        says: "What `If-None-Match` names is what is there.",
        content: Content::Nothing,
        headers: &["ETag"],
    };
}
