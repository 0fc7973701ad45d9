//! The table of routes and the types as OpenAPI 3.1.

use std::collections::BTreeMap;

use haulier_wire::problem::PROBLEM_JSON;
use haulier_wire::{ChunkIndex, Problem, ProblemType, TransferId, header};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::group::PARAMETERS;
use super::operation::{Answer, Body, Content, Operation};
use super::table::ROUTES;
use crate::http::token::Role;

const DESCRIPTION: &str = "Sealed chunks in and out. The server never has a key: what is in a chunk, a name or a \
    message, only who has the link can read.\n\nWhat is below `/api/transfers` answers the same below `/transfers`. \
    Every 4xx and 5xx is a problem document (RFC 9457): decide by its `type`. Rules that a schema cannot say stand in \
    docs/API.md.";

/// The document, the same on every server of this version.
pub(super) fn document() -> Value {
    let mut shapes = Shapes::new();
    let paths: Map<String, Value> = ROUTES
        .iter()
        .map(|route| {
            let operations = route
                .operations
                .iter()
                .flat_map(|operation| operation.methods.iter().map(move |method| (operation, *method)));
            let mut item: Map<String, Value> = operations
                .map(|(operation, method)| (method.to_ascii_lowercase(), shapes.operation(operation, method)))
                .collect();
            let parameters = shapes.path_parameters(route.path);
            if !parameters.is_empty() {
                item.insert("parameters".to_owned(), parameters.into());
            }
            (route.path.to_owned(), item.into())
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Haulier",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": shapes.schemas(), "securitySchemes": security_schemes() },
    })
}

/// The types that the document has met. What is read and what is written may differ in what is required.
struct Shapes {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            requests: settings.clone().for_deserialize().into_generator(),
            answers: settings.for_serialize().into_generator(),
        }
    }

    /// Every type by its name.
    fn schemas(mut self) -> Map<String, Value> {
        let mut schemas = self.requests.take_definitions(true);
        for (name, schema) in self.answers.take_definitions(true) {
            let other = schemas.insert(name.clone(), schema);
            debug_assert!(other.is_none_or(|other| other == schemas[&name]), "{name} has two shapes");
        }
        schemas
    }

    fn operation(&mut self, operation: &Operation, method: &str) -> Value {
        let is_first = operation.methods.first() == Some(&method);
        let suffix = if is_first { String::new() } else { format!("_{}", method.to_ascii_lowercase()) };
        let mut rendered = Map::from_iter([
            ("operationId".to_owned(), format!("{}{suffix}", operation.name).into()),
            ("summary".to_owned(), operation.says.into()),
            ("responses".to_owned(), self.responses(operation, method).into()),
        ]);
        if let Some(security) = security(operation.token) {
            rendered.insert("security".to_owned(), security);
        }
        let parameters: Vec<Value> = operation.parameters.iter().filter_map(|name| parameter(name)).collect();
        if !parameters.is_empty() {
            rendered.insert("parameters".to_owned(), parameters.into());
        }
        match operation.body {
            Body::Nothing => {}
            Body::Json { shape, is_required } => {
                let content = json!({ "application/json": { "schema": shape(&mut self.requests) } });
                rendered.insert("requestBody".to_owned(), json!({ "required": is_required, "content": content }));
            }
            Body::Bytes => {
                let content = json!({ "application/octet-stream": {} });
                rendered.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
            }
        }
        rendered.into()
    }

    /// Successes and problems by their status.
    fn responses(&mut self, operation: &Operation, method: &str) -> Map<String, Value> {
        let mut responses: Map<String, Value> =
            operation.answers.iter().map(|answer| (answer.status.to_string(), self.answer(answer, method))).collect();
        let mut by_status: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
        for kind in operation.problems.iter().copied().flatten() {
            let kinds = by_status.entry(kind.status()).or_default();
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        for (status, kinds) in by_status {
            responses.insert(status.to_string(), self.problem(&kinds, method));
        }
        responses
    }

    fn answer(&mut self, answer: &Answer, method: &str) -> Value {
        let mut rendered = Map::from_iter([("description".to_owned(), answer.says.into())]);
        let content = match answer.content {
            _ if method == "HEAD" => None,
            Content::Nothing => None,
            Content::Json(shape) => Some(json!({ "application/json": { "schema": shape(&mut self.answers) } })),
            Content::Bytes => Some(json!({ "application/octet-stream": {} })),
            Content::Text(media_type) => Some(json!({ media_type: { "schema": { "type": "string" } } })),
        };
        if let Some(content) = content {
            rendered.insert("content".to_owned(), content);
        }
        if !answer.headers.is_empty() {
            let headers =
                answer.headers.iter().map(|name| ((*name).to_owned(), json!({ "schema": { "type": "string" } })));
            rendered.insert("headers".to_owned(), headers.collect::<Map<_, _>>().into());
        }
        rendered.into()
    }

    /// The problems of one status: their titles for people, their types as the only ones that the status comes with.
    fn problem(&mut self, kinds: &[ProblemType], method: &str) -> Value {
        let says: Vec<String> = kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title())).collect();
        let mut rendered = Map::from_iter([("description".to_owned(), says.join(" ").into())]);
        if method != "HEAD" {
            let uris: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            let problem = self.answers.subschema_for::<Problem>();
            let schema = json!({ "allOf": [problem, { "properties": { "type": { "enum": uris } } }] });
            rendered.insert("content".to_owned(), json!({ PROBLEM_JSON: { "schema": schema } }));
        }
        rendered.into()
    }

    fn path_parameters(&mut self, path: &str) -> Vec<Value> {
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names
            .map(|name| {
                let schema = match name {
                    "id" => self.requests.subschema_for::<TransferId>(),
                    "n" => self.requests.subschema_for::<ChunkIndex>(),
                    _ => text(),
                };
                json!({ "name": name, "in": "path", "required": true, "schema": schema })
            })
            .collect()
    }
}

fn text() -> Schema {
    schemars::json_schema!({ "type": "string" })
}

fn parameter(name: &str) -> Option<Value> {
    let (name, place, says) = PARAMETERS.iter().find(|(known, ..)| *known == name)?;
    Some(json!({ "name": name, "in": place, "description": says, "schema": text() }))
}

/// The ways to present a role's token. A transfer of kind seed may go without, and so may whoever creates on an open
/// server.
fn security(token: Option<Role>) -> Option<Value> {
    Some(match token? {
        Role::Access => json!([{ "access_token": [] }, { "access_token_header": [] }, {}]),
        Role::Owner => json!([{ "owner_token": [] }, { "owner_token_header": [] }, {}]),
        Role::Download => json!([{ "download_token": [] }, {}]),
        Role::Metrics => json!([{ "metrics_token": [] }]),
    })
}

fn security_schemes() -> Value {
    let bearer = |says: &str| json!({ "type": "http", "scheme": "bearer", "description": says });
    json!({
        "access_token": bearer("Who may create transfers, where the server asks."),
        "access_token_header": {
            "type": "apiKey",
            "in": "header",
            "name": header::ACCESS_TOKEN,
            "description": "The access token, as the legacy system's clients send it.",
        },
        "owner_token": bearer("Who made a transfer: upload, status, change, complete, delete."),
        "owner_token_header": {
            "type": "apiKey",
            "in": "header",
            "name": header::OWNER_TOKEN,
            "description": "The owner token, as the legacy system's clients send it.",
        },
        "download_token": bearer("Who has the link: manifest and chunks."),
        "metrics_token": bearer("The operator's."),
    })
}
