//! Receiving: a link becomes a file, or a folder of files.
//!
//! The order of the checks is the protocol's (docs/FORMAT.md, "Reading"): link, info, keys, manifest, key check, sealed
//! metadata, every number; only then is anything allocated or written. Nothing appears under the target's name before
//! every chunk has opened.

mod download;
mod entry;
mod options;
mod preview;
mod sink;
mod target;

use std::sync::Arc;

use haulier_format::{Opened, Unlocked};

pub use options::{ReceiveOptions, Received, parse_link};
pub use preview::{Description, Preview, PreviewFile, peek};

use crate::ambient::Ambient;
use crate::error::Error;
use crate::progress::{Event, Notice, Progress};
use crate::secret::blocking;
use crate::window::Window;

use download::{Download, First};
use entry::Entry;

/// Receives what a link stands for and returns where it is.
///
/// Can be dropped at any moment: what was written so far is then removed.
///
/// # Errors
/// [`Error`] says what happened; nothing is then under the target's name that was not there before.
pub async fn receive(
    options: ReceiveOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<Received, Error> {
    let Entry { api, retry, id, manifest, token, .. } = Entry::open(&options, &ambient, Arc::clone(&progress)).await?;
    let window = Window::new(options.window_bytes, options.parallel);
    let download = Arc::new(Download { api, retry, progress: Arc::clone(&progress), window, token });
    let (opened, first) = match manifest {
        Unlocked::Full(opened) => (opened, None),
        Unlocked::Seed(seed) => {
            progress.on(Event::Notice(Notice::NoMetadata));
            let (opened, first) = download.open_seed(id, seed).await?;
            (opened, Some(first))
        }
    };
    save(&options, &ambient, download, opened, first).await
}

/// Writes an authentic transfer to its place.
async fn save(
    options: &ReceiveOptions,
    ambient: &Ambient,
    download: Arc<Download>,
    opened: Opened,
    first: Option<First>,
) -> Result<Received, Error> {
    let (output, force) = (options.output.clone(), options.force);
    let unique = format!("{}-{:08x}", opened.transfer_id(), ambient.random_u64() >> 32);
    let opened = Arc::new(opened);
    let plan = Arc::clone(&opened);
    let sink = blocking(move || target::open(&plan, output, force, &unique)).await?;
    let sink = download.run(Arc::clone(&opened), sink, first).await?;
    let path = blocking(move || sink.publish(force)).await?;
    Ok(Received {
        transfer_id: *opened.transfer_id(),
        path: Some(path),
        file_size: opened.layout().file_size(),
        files: opened.metadata().map_or(1, |metadata| metadata.files.len()),
        message: opened.metadata().and_then(|metadata| metadata.message.clone()),
        resumed: false,
    })
}
