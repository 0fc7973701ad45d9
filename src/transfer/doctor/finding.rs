//! One damage, and what came of it.

use haulier_wire::TransferId;
use serde::Serialize;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// The row says stored, and there is no blob.
    ChunkMissing,
    /// The row says stored, and the blob has another length.
    ChunkLength,
    /// The row says stored, and the blob has other bytes, or they cannot be read.
    ChunkBytes,
    /// A completed transfer lacks rows of chunks.
    ChunkUnrecorded,
    /// A blob under an index that the transfer does not have.
    ChunkSurplus,
    /// The row has a payload, and there is no blob.
    PayloadMissing,
    /// The row has a payload, and the blob has another length.
    PayloadLength,
    /// The row has a payload, and the blob has other bytes, or they cannot be read.
    PayloadBytes,
    /// An upload of a payload that does not count.
    PayloadSurplus,
    /// A completed transfer without meta.json.
    MetaMissing,
    /// A meta.json that a rebuild would not believe, or that says something else than the row.
    MetaWrong,
    /// A meta.json that a newer version of this program wrote.
    MetaNewer,
    /// A whole transfer that the database does not know.
    RowMissing,
    /// Blobs of an upload that the database does not know and that nobody can finish.
    Orphan,
    /// Blobs of a transfer that was swept.
    Leftover,
    /// A name that no server writes.
    ForeignName,
}

impl Damage {
    /// The word for it, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ChunkMissing => "chunk-missing",
            Self::ChunkLength => "chunk-length",
            Self::ChunkBytes => "chunk-bytes",
            Self::ChunkUnrecorded => "chunk-unrecorded",
            Self::ChunkSurplus => "chunk-surplus",
            Self::PayloadMissing => "payload-missing",
            Self::PayloadLength => "payload-length",
            Self::PayloadBytes => "payload-bytes",
            Self::PayloadSurplus => "payload-surplus",
            Self::MetaMissing => "meta-missing",
            Self::MetaWrong => "meta-wrong",
            Self::MetaNewer => "meta-newer",
            Self::RowMissing => "row-missing",
            Self::Orphan => "orphan",
            Self::Leftover => "leftover",
            Self::ForeignName => "foreign-name",
        }
    }

    /// What the operator can do where no repair is allowed.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::ChunkMissing
            | Self::ChunkLength
            | Self::ChunkBytes
            | Self::PayloadMissing
            | Self::PayloadLength
            | Self::PayloadBytes => {
                "put the blob back from a backup; without one, readers cannot fetch it: \
                 transfer delete ID, and have it sent again"
            }
            Self::ChunkUnrecorded => {
                "restore the database from a backup; or transfer delete ID, and have it sent again"
            }
            Self::MetaNewer => "use the newer version: this one would lose what it does not know",
            Self::RowMissing => {
                "haulier-server rebuild brings it back; if it must not come back: haulier-server transfer delete ID"
            }
            Self::ForeignName => "nothing of Haulier's has this name: look what it is, and move it away",
            Self::Orphan | Self::Leftover => "a foreign name is among them: move that away first",
            Self::ChunkSurplus | Self::PayloadSurplus | Self::MetaMissing | Self::MetaWrong => {
                "haulier-server doctor --repair"
            }
        }
    }
}

/// What came of a damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Only the operator can do something.
    Left,
    /// `--repair` would repair it.
    Repairable,
    /// It is repaired.
    Repaired,
    /// The repair failed, and why.
    Failed(String),
}

/// One damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// The transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<TransferId>,
    /// The chunk, or the first of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Finding {
    pub(super) fn new(damage: Damage, transfer_id: Option<TransferId>) -> Self {
        Self {
            damage,
            transfer_id,
            index: None,
            expected: "nothing".to_owned(),
            found: "nothing".to_owned(),
            outcome: Outcome::Left,
        }
    }

    pub(super) fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    pub(super) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }
}
