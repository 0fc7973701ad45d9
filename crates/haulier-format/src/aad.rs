//! The exact AAD bytes, by template: a JSON library may add spaces or change the order (docs/FORMAT.md, "AAD").

use haulier_wire::{ChunkIndex, TransferId};

/// Writes the AAD of chunk `index` of `total_chunks`. An id holds hex digits alone, so nothing needs escaping.
#[must_use]
pub fn chunk_aad(index: ChunkIndex, total_chunks: u32, id: &TransferId) -> String {
    format!(r#"{{"chunk_index":{index},"total_chunks":{total_chunks},"transfer_id":"{id}"}}"#)
}

/// Writes the AAD of the sealed metadata.
#[must_use]
pub fn metadata_aad(id: &TransferId) -> String {
    format!("haulier/v1/metadata:{id}")
}
