//! What a transfer holds, without any of its chunks.

use std::sync::Arc;

use haulier_format::Unlocked;
use haulier_wire::TransferId;

use super::entry::Entry;
use super::lease::Lease;
use super::legacy::Blob;
use super::options::{ReceiveOptions, parse_link};
use crate::ambient::Ambient;
use crate::error::Error;
use crate::progress::Progress;
use crate::secret::blocking;

/// What a transfer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The transfer.
    pub transfer_id: TransferId,
    /// Bytes of plaintext in all.
    pub file_size: u64,
    /// Bytes of plaintext in every chunk but the last.
    pub chunk_size: u64,
    /// How many chunks there are.
    pub total_chunks: u32,
    /// What the sender sealed with it. Without it the numbers are the server's word: only the first chunk could tell.
    pub description: Option<Description>,
}

/// What the sender says of a transfer: authentic. Escape the texts before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What the transfer is called.
    pub name: String,
    /// Words from the sender.
    pub message: Option<String>,
    /// The files, in their order.
    pub files: Vec<PreviewFile>,
}

/// One file of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewFile {
    /// Relative, `/` between segments.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in Unix seconds.
    pub mtime: Option<i64>,
}

/// Looks at what a link stands for; no chunk travels and nothing is written.
///
/// # Errors
/// Those of [`receive`](crate::receive) up to the first chunk.
pub async fn peek(options: ReceiveOptions, ambient: Ambient, progress: Arc<dyn Progress>) -> Result<Preview, Error> {
    if let Some(blob) = Blob::find(&options, &ambient, &progress).await? {
        return Ok(blob.preview());
    }
    let id = parse_link(&options.link)?.id;
    let (of_lease, ambient_of_lease) = (options.clone(), ambient.clone());
    let lease = blocking(move || Ok(Lease::open(&of_lease, id, &ambient_of_lease))).await?;
    let entry = Entry::open(&options, &ambient, progress, &lease).await?;
    let (layout, metadata) = match &entry.manifest {
        Unlocked::Full(opened) => (opened.layout(), opened.metadata()),
        Unlocked::Seed(seed) => (seed.claimed_layout(), None),
    };
    let description = metadata.map(|metadata| Description {
        name: metadata.name.clone(),
        message: metadata.message.clone(),
        files: metadata.files.iter().map(PreviewFile::from).collect(),
    });
    Ok(Preview {
        transfer_id: entry.id,
        file_size: layout.file_size(),
        chunk_size: layout.chunk_size().into(),
        total_chunks: layout.total_chunks(),
        description,
    })
}

impl From<&haulier_format::FileEntry> for PreviewFile {
    fn from(file: &haulier_format::FileEntry) -> Self {
        Self { path: file.path.clone(), size: file.size, mtime: file.mtime }
    }
}
