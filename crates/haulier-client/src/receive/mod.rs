//! Receiving: a link becomes a file, a folder of files, or a stream.
//!
//! The order of the checks is the protocol's (docs/FORMAT.md, "Reading"): link, info, keys, manifest, key check, sealed
//! metadata, every number; only then is anything allocated or written. Nothing appears under the target's name before
//! every chunk has opened. What has arrived is kept beside the target when a get ends early, and is read and checked
//! before the next one goes on from it.

mod arriving;
mod chunk_log;
mod download;
mod entry;
mod fetch;
mod kept;
mod options;
mod part;
mod preview;
mod selection;
mod stream;
mod target;

use std::io::Write;
use std::sync::{Arc, Mutex};

use haulier_format::{Opened, Unlocked};
use zeroize::Zeroizing;

pub use options::{ReceiveOptions, Received, parse_link};
pub use preview::{Description, Preview, PreviewFile, peek};

use crate::ambient::Ambient;
use crate::error::Error;
use crate::progress::{Event, Notice, Progress};
use crate::resume::machine_key;
use crate::secret::blocking;
use crate::window::Window;

use chunk_log::Found;
use download::Download;
use entry::Entry;
use fetch::{Fetch, First};
use kept::{Kept, forget};
use selection::Selection;
use stream::Stream;
use target::Target;

/// Receives what a link stands for and returns where it is.
///
/// Can be dropped at any moment. What has arrived by then, or when it fails for a reason that may pass, is kept beside
/// the target; the same call goes on from there.
///
/// # Errors
/// [`Error`] says what happened; nothing is then under the target's name that was not there before.
pub async fn receive(
    options: ReceiveOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<Received, Error> {
    let Ready { fetch, opened, first } = Ready::new(&options, &ambient, &progress).await?;
    let selection = Selection::new(&opened, &options.only)?;
    let (size, files) = (selection.size(), selection.pieces.len());
    let (fetch_of_plan, opened_of_plan) = (Arc::clone(&fetch), Arc::clone(&opened));
    let (output, force, state_dir, fresh) = (options.output, options.force, options.state_dir, ambient.random_key());
    let (kept, found) = blocking(move || {
        let target = Target::choose(selection, output, force)?;
        // Without a key that lasts, nothing that an earlier run noted is believed.
        let machine =
            state_dir.and_then(|root| machine_key(&root, &fresh).ok()).unwrap_or_else(|| Zeroizing::new(fresh));
        let secrets = (fetch_of_plan.token.as_str(), &*machine);
        Kept::open(target, opened_of_plan.transfer_id(), *opened_of_plan.layout(), secrets)
    })
    .await?;
    if found == Found::Unusable {
        progress.on(Event::Notice(Notice::KeptUnusable));
    }
    let kept = Arc::new(kept);
    let download =
        Download { fetch, opened: Arc::clone(&opened), kept: Arc::clone(&kept), progress: Arc::clone(&progress) };
    let outcome = async {
        let resumed = download.run(found == Found::Same, first).await?;
        let kept = Arc::clone(&kept);
        Ok((blocking(move || kept.publish(force)).await?, resumed))
    };
    let outcome: Result<_, Error> = outcome.await;
    match &outcome {
        Err(error) if error.is_for_good() => clean_up(move || kept.discard()).await,
        Err(_) if kept.holds_some() => progress.on(Event::Notice(Notice::Kept)),
        _ => {}
    }
    let (path, resumed) = outcome?;
    Ok(Received { path: Some(path), resumed, ..received(&opened, size, files) })
}

/// Receives one file into a stream: in order, and each chunk only after it has opened.
///
/// # Errors
/// [`Error::SeveralFiles`] before anything is written. After any other, what was written is the beginning of the file
/// and not the whole: the caller must not end as if it were.
pub async fn receive_stream(
    options: ReceiveOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
    output: impl Write + Send + 'static,
) -> Result<Received, Error> {
    let Ready { fetch, opened, first } = Ready::new(&options, &ambient, &progress).await?;
    let selection = Selection::new(&opened, &options.only)?;
    if selection.pieces.len() != 1 {
        return Err(Error::SeveralFiles { count: selection.pieces.len() });
    }
    let received = received(&opened, selection.size(), 1);
    Stream { fetch, opened, selection, progress, output: Arc::new(Mutex::new(output)) }.run(first).await?;
    Ok(received)
}

/// Cleans up; no failure of it is worth more than the one that it is for.
async fn clean_up(work: impl FnOnce() + Send + 'static) {
    let _ = tokio::task::spawn_blocking(work).await;
}

fn received(opened: &Opened, file_size: u64, files: usize) -> Received {
    Received {
        transfer_id: *opened.transfer_id(),
        path: None,
        file_size,
        files,
        message: opened.metadata().and_then(|metadata| metadata.message.clone()),
        resumed: false,
    }
}

/// A transfer that is proven to be one, and the means to fetch it.
struct Ready {
    fetch: Arc<Fetch>,
    opened: Arc<Opened>,
    /// Of a SEED transfer.
    first: Option<First>,
}

impl Ready {
    async fn new(options: &ReceiveOptions, ambient: &Ambient, progress: &Arc<dyn Progress>) -> Result<Self, Error> {
        let entry = Entry::open(options, ambient, Arc::clone(progress)).await;
        if let Err(Error::Deleted | Error::Expired) = &entry {
            let (id, output) = (parse_link(&options.link)?.id, options.output.clone());
            clean_up(move || forget(&id, output.as_deref())).await;
        }
        let Entry { api, retry, id, manifest, token } = entry?;
        let window = Window::new(options.window_bytes, options.parallel);
        let fetch = Arc::new(Fetch { api, retry, progress: Arc::clone(progress), window, token });
        let (opened, first) = match manifest {
            Unlocked::Full(opened) => (opened, None),
            Unlocked::Seed(seed) => {
                progress.on(Event::Notice(Notice::NoMetadata));
                let (opened, first) = fetch.open_seed(id, seed).await?;
                (opened, Some(first))
            }
        };
        Ok(Self { fetch, opened: Arc::new(opened), first })
    }
}
