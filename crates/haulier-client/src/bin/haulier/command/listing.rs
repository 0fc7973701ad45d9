//! What a transfer holds, as its sender sealed it: for `get --list` and `info`.

use haulier_client::{Preview, PreviewFile};
use serde_json::{Value, json};

use crate::text;

/// One line a file, with its size first, as `du` has it.
pub(super) fn lines(preview: &Preview) -> String {
    let Some(description) = &preview.description else {
        let size = text::bytes(preview.file_size);
        return format!(
            "{}\nThe server says: {size}. Only the first chunk could tell; this sender gave no name and no list.",
            preview.transfer_id
        );
    };
    let row = |size: u64, what: &str| format!("\n{:>12}  {what}", text::bytes(size));
    let mut lines = text::line(&description.name);
    if let Some(message) = &description.message {
        lines += &format!("\nThe sender says: {}", text::lines(message));
    }
    for file in &description.files {
        lines += &row(file.size, &text::line(&file.path));
    }
    let count = description.files.len();
    lines + &row(preview.file_size, &format!("in {count} file{}", if count == 1 { "" } else { "s" }))
}

/// One object; `authentic` says whether it is the sender's word.
pub(super) fn json(preview: &Preview) -> Value {
    let file = |file: &PreviewFile| json!({ "path": file.path, "size": file.size, "mtime": file.mtime });
    let description = preview.description.as_ref();
    json!({
        "transfer_id": preview.transfer_id,
        "name": description.map(|description| &description.name),
        "message": description.and_then(|description| description.message.as_ref()),
        "file_size": preview.file_size,
        "files": description.map(|description| description.files.iter().map(file).collect::<Vec<_>>()),
        "authentic": description.is_some(),
    })
}
