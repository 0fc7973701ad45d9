//! What stays of a transfer that this machine sent: enough to list and to delete it, not to open it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use haulier_wire::{Timestamp, TransferId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Store;
use crate::error::Error;

/// No record is longer.
const MAX_RECORD_BYTES: u64 = 64 << 10;

/// What a transfer was sent as, which decides how it is deleted and whether it can be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SentAs {
    /// Chunks, to a Haulier server.
    #[default]
    Chunks,
    /// One blob, to a server that may be the legacy system's.
    Legacy,
}

impl SentAs {
    /// The version of its records. One that knows chunks alone must not take a blob for chunks; it names the record as one
    /// that it cannot read.
    pub(crate) const fn version(self) -> u32 {
        match self {
            Self::Chunks => 1,
            Self::Legacy => 2,
        }
    }

    fn is_chunks(&self) -> bool {
        *self == Self::Chunks
    }
}

/// The content of `sent/ID.json`. Holds no key, so no link can be made from it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SentRecord {
    /// [`SentAs::version`].
    pub(crate) v: u32,
    #[serde(default, skip_serializing_if = "SentAs::is_chunks")]
    pub(crate) sent_as: SentAs,
    pub(crate) transfer_id: TransferId,
    pub(crate) server: String,
    /// Deletes and changes the transfer; of a blob, deletes it.
    pub(crate) owner_token: Zeroizing<String>,
    pub(crate) name: String,
    pub(crate) file_size: u64,
    /// By this machine's clock.
    pub(crate) sent_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    /// Of a blob alone it may be null: a legacy server keeps it for good unless it was told an end.
    pub(crate) expires_at: Option<Timestamp>,
    /// 0: no limit. Absent where an earlier version wrote the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_downloads: Option<u64>,
}

impl std::fmt::Debug for SentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentRecord").field("transfer_id", &self.transfer_id).finish_non_exhaustive()
    }
}

/// All records that can be read, newest first, and the files that cannot.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) whole: Vec<SentRecord>,
    pub(crate) damaged: Vec<PathBuf>,
}

impl Store {
    /// The store as it is: makes no folder. What is not there reads as empty.
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Reads the records of everything that was sent.
    pub(crate) fn records(&self) -> Result<Records, Error> {
        let mut records = Records::default();
        for path in entries(&self.root.join("sent"))? {
            // What a run that was killed left behind: its record was never acknowledged.
            if path.extension().is_some_and(|extension| extension == "new") {
                continue;
            }
            match read_record(&path) {
                Some(record) => records.whole.push(record),
                None => records.damaged.push(path),
            }
        }
        records.whole.sort_by(|a, b| (b.sent_at, &b.transfer_id).cmp(&(a.sent_at, &a.transfer_id)));
        records.damaged.sort();
        Ok(records)
    }

    /// Forgets a transfer that is gone; says whether it was known.
    pub(crate) fn forget_record(&self, id: TransferId) -> Result<bool, Error> {
        let path = self.root.join("sent").join(format!("{id}.json"));
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::state(path, error)),
        }
    }
}

/// Reads a record that stands under its own name.
fn read_record(path: &Path) -> Option<SentRecord> {
    let mut text = Zeroizing::new(Vec::new());
    fs::File::open(path).ok()?.take(MAX_RECORD_BYTES).read_to_end(&mut text).ok()?;
    let record: SentRecord = serde_json::from_slice(&text).ok()?;
    let named = path.file_stem().is_some_and(|stem| stem == record.transfer_id.as_str());
    let is_whole = record.v == record.sent_as.version() && (record.expires_at.is_some() || !record.sent_as.is_chunks());
    (named && is_whole).then_some(record)
}

/// The files and folders in a folder; none when it is not there.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::state(folder, error);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests;
