//! Writes JSON text exactly as `JSON.stringify` does, so that one value has one text (docs/FORMAT.md, "Metadata").

use std::fmt::Write as _;

/// Appends a string in quotes: the short escapes, `\u00xx` for other C0 controls, everything else as it is.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => push_escape(out, symbol),
            _ => out.push(symbol),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, symbol: char) {
    // Writing into a String does not fail.
    let written = write!(out, "\\u{:04x}", u32::from(symbol));
    debug_assert!(written.is_ok());
}

/// Appends `"name":"text"`; names need no escapes.
pub(crate) fn push_text_member(out: &mut String, name: &str, text: &str) {
    push_name(out, name);
    push_string(out, text);
}

/// Appends `"name":number`.
pub(crate) fn push_number_member(out: &mut String, name: &str, number: impl Into<i128>) {
    push_name(out, name);
    out.push_str(&number.into().to_string());
}

/// Appends `"name":`, after a comma where one belongs.
pub(crate) fn push_name(out: &mut String, name: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}
