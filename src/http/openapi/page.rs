//! The document as a page: HTML alone, so that it reads the same without a script, on paper and in a terminal.

use std::fmt::Write as _;
use std::sync::LazyLock;

use haulier_wire::encoding::to_base64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::escape::{Escaped, Prose};

const STYLE: &str = include_str!("page.css");

/// Nothing is loaded, run, framed or sent anywhere; the style is this one.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = to_base64(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Renders the whole page.
pub(super) fn page(document: &Value) -> String {
    let info = &document["info"];
    let title = format!("{} {}", text(&info["title"]), text(&info["version"]));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{0}: HTTP API</title>\n<style>{STYLE}</style>\n<h1>{0}: HTTP API</h1>\n",
        Escaped(&title)
    );
    for paragraph in text(&info["description"]).split("\n\n") {
        add(&mut html, format_args!("<p>{}</p>\n", Prose(paragraph)));
    }
    html.push_str(
        "<p>For programs: <a href=\"/api/openapi.json\"><code>/api/openapi.json</code></a>, OpenAPI 3.1.</p>\n",
    );
    let operations = operations(document);
    contents(&mut html, &operations);
    html.push_str("<h2>Routes</h2>\n");
    for operation in &operations {
        self::operation(&mut html, operation);
    }
    html.push_str("<h2>Tokens</h2>\n<table>\n");
    for (name, scheme) in members(&document["components"]["securitySchemes"]) {
        row(&mut html, &[&code(name), &Prose(text(&scheme["description"])).to_string()]);
    }
    html.push_str("</table>\n<h2>Bodies</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        self::schema(&mut html, name, schema);
    }
    html
}

struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    item: &'d Value,
    value: &'d Value,
}

/// Every operation but HEAD, which is GET without the body.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, value) in members(item).filter(|(method, _)| !matches!(*method, "head" | "parameters")) {
            operations.push(Operation { method, path, item, value });
        }
    }
    operations
}

fn contents(html: &mut String, operations: &[Operation<'_>]) {
    html.push_str("<nav><ul>\n");
    for Operation { method, path, value, .. } in operations {
        let (id, method) = (Escaped(text(&value["operationId"])).to_string(), method.to_ascii_uppercase());
        add(html, format_args!("<li><a href=\"#{id}\"><span class=\"method\">{method}</span> {}</a>\n", Escaped(path)));
    }
    html.push_str("</ul></nav>\n");
}

fn operation(html: &mut String, operation: &Operation<'_>) {
    let Operation { method, path, item, value } = operation;
    let method = match item.get("head") {
        Some(_) if *method == "get" => "GET, HEAD".to_owned(),
        _ => method.to_ascii_uppercase(),
    };
    let (id, path) = (Escaped(text(&value["operationId"])), Escaped(path));
    add(html, format_args!("<h3 id=\"{id}\"><span class=\"method\">{method}</span> <code>{path}</code></h3>\n"));
    add(html, format_args!("<p>{}</p>\n", Prose(text(&value["summary"]))));
    if let Some(ways) = value["security"].as_array() {
        let ways: Vec<String> =
            ways.iter().map(|way| members(way).next().map_or("none".into(), |(name, _)| code(name))).collect();
        add(html, format_args!("<p>Token: {}</p>\n", ways.join(" or ")));
    }
    let parameters: Vec<&Value> =
        [item, value].iter().filter_map(|place| place["parameters"].as_array()).flatten().collect();
    if !parameters.is_empty() {
        html.push_str("<h4>Takes</h4>\n<div class=\"wide\"><table>\n");
        for parameter in parameters {
            let says = match parameter["description"].as_str() {
                Some(says) => Prose(says).to_string(),
                None => of(&parameter["schema"]),
            };
            row(html, &[&code(text(&parameter["name"])), text(&parameter["in"]), &says]);
        }
        html.push_str("</table></div>\n");
    }
    for (media_type, body) in members(&value["requestBody"]["content"]) {
        add(html, format_args!("<p>Body: <code>{}</code> {}</p>\n", Escaped(media_type), of(&body["schema"])));
    }
    html.push_str("<h4>Answers</h4>\n<div class=\"wide\"><table>\n");
    for (status, answer) in members(&value["responses"]) {
        let held: Vec<String> = members(&answer["content"])
            .map(|(media_type, body)| format!("{} {}", code(media_type), of(&body["schema"])))
            .collect();
        row(html, &[status, &Prose(text(&answer["description"])).to_string(), &held.join(", ")]);
    }
    html.push_str("</table></div>\n");
}

fn schema(html: &mut String, name: &str, schema: &Value) {
    add(html, format_args!("<h3 id=\"{0}\"><code>{0}</code></h3>\n", Escaped(name)));
    if let Some(says) = schema["description"].as_str() {
        add(html, format_args!("<p>{}</p>\n", Prose(says)));
    }
    let Some(properties) = schema["properties"].as_object() else {
        let rendered = of(schema);
        add(html, format_args!("<p>{rendered}</p>\n"));
        return;
    };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    html.push_str("<div class=\"wide\"><table>\n");
    for (member, schema) in properties {
        let required =
            if required.contains(&member.as_str()) { " <span class=\"required\">required</span>" } else { "" };
        row(
            html,
            &[&format!("{}{required}", code(member)), &of(schema), &Prose(text(&schema["description"])).to_string()],
        );
    }
    html.push_str("</table></div>\n");
}

/// A schema in a few words: a link to a named one, a type, the values that there are.
fn of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\"><code>{0}</code></a>", Escaped(name));
    }
    for (key, between) in [("anyOf", " or "), ("oneOf", " or "), ("allOf", ", ")] {
        if let Some(parts) = schema[key].as_array() {
            let parts: Vec<String> = parts.iter().map(of).filter(|part| !part.is_empty()).collect();
            return parts.join(between);
        }
    }
    if let Some(value) = schema.get("const") {
        return code(&value.to_string());
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| code(&value.to_string())).collect();
        return values.join(", ");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut says = kinds.join(" or ");
    for key in ["format", "pattern", "minimum", "maximum"] {
        if let Some(value) = schema.get(key) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            add(&mut says, format_args!(", {key} {}", code(&value)));
        }
    }
    says
}

fn row(html: &mut String, cells: &[&str]) {
    html.push_str("<tr>");
    for cell in cells {
        add(html, format_args!("<td>{cell}</td>"));
    }
    html.push('\n');
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", Escaped(text))
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Writing to a string cannot fail.
fn add(html: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(arguments);
}
