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
mod lease;
mod legacy;
mod options;
mod part;
mod preview;
mod selection;
mod stream;
mod target;

use std::io::Write;
use std::sync::{Arc, Mutex};

use haulier_format::{Opened, Unlocked};
use haulier_wire::TransferId;
use zeroize::Zeroizing;

pub use options::{ReceiveOptions, Received, parse_link};
pub use preview::{Description, Preview, PreviewFile, peek};

use crate::ambient::Ambient;
use crate::error::Error;
use crate::http::Role;
use crate::progress::{Event, Notice, Progress};
use crate::resume::machine_key;
use crate::secret::blocking;
use crate::window::Window;

use chunk_log::Found;
use download::Download;
use entry::Entry;
use fetch::{Fetch, First};
use kept::{Kept, NotOpened, forget, take_along};
use lease::Lease;
use legacy::Blob;
use selection::Selection;
use stream::Stream;
use target::{Target, Undotted};

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
    let blob = Blob::find(&options, &ambient, &progress).await;
    if let Err(Error::Deleted | Error::Expired | Error::Exhausted) = &blob {
        legacy::forget(&options).await;
    }
    if let Some(blob) = blob? {
        return blob.receive(&options).await;
    }
    let ready = Ready::new(&options, &ambient, &progress, Lease::open).await?;
    let fetch = Arc::clone(&ready.fetch);
    let received = to_disk(ready, options, ambient, progress).await;
    fetch.end_lease(received.is_ok()).await;
    received
}

async fn to_disk(
    Ready { fetch, opened, first }: Ready,
    options: ReceiveOptions,
    ambient: Ambient,
    progress: Arc<dyn Progress>,
) -> Result<Received, Error> {
    let selection = Selection::new(&opened, &options.only)?;
    let (size, files) = (selection.size(), selection.pieces.len());
    let (fetch_of_plan, opened_of_plan, told) = (Arc::clone(&fetch), Arc::clone(&opened), Arc::clone(&progress));
    let (output, force, state_dir, fresh) = (options.output, options.force, options.state_dir, ambient.random_key());
    let (kept, found, undotted) = blocking(move || {
        let target = Target::choose(selection, output.clone(), force)?;
        let undotted = target.undotted();
        if let Some(output) = &output {
            take_along(&target, output, opened_of_plan.transfer_id());
        }
        // Without a key that lasts, nothing that an earlier run noted is believed.
        let machine =
            state_dir.and_then(|root| machine_key(&root, &fresh).ok()).unwrap_or_else(|| Zeroizing::new(fresh));
        let secrets = (fetch_of_plan.token.as_str(), &*machine);
        let kept = Kept::open(target, opened_of_plan.transfer_id(), *opened_of_plan.layout(), secrets);
        let (kept, found) = kept.map_err(|NotOpened { error, set_aside }| {
            // Moved all the same: whoever looks for it must know where it is.
            if let Some(path) = set_aside {
                told.on(Event::Notice(Notice::NotOurs { path }));
            }
            error
        })?;
        Ok((kept, found, undotted))
    })
    .await?;
    tell_before(&kept, found, undotted, progress.as_ref());
    let kept = Arc::new(kept);
    let lease_of = Arc::clone(&fetch);
    let download =
        Download { fetch, opened: Arc::clone(&opened), kept: Arc::clone(&kept), progress: Arc::clone(&progress) };
    let outcome = async {
        let resumed = download.run(found == Found::Same, first).await?;
        let kept = Arc::clone(&kept);
        Ok((blocking(move || kept.publish(force)).await?, resumed))
    };
    let outcome: Result<_, Error> = outcome.await;
    if let Err(error) = &outcome {
        let (part, is_for_good) = (kept.part_path().to_owned(), error.is_for_good());
        match clean_up(move || kept.close(is_for_good)).await {
            true => {
                lease_of.lease.is_needed();
                progress.on(Event::Notice(Notice::Kept { path: part }));
            }
            false if part.symlink_metadata().is_ok() => progress.on(Event::Notice(Notice::NotOurs { path: part })),
            false => {}
        }
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
    if let Some(blob) = Blob::find(&options, &ambient, &progress).await? {
        return blob.stream(&options, output).await;
    }
    let ready = Ready::new(&options, &ambient, &progress, Lease::for_one_run).await?;
    let fetch = Arc::clone(&ready.fetch);
    let received = to_stream(ready, options, progress, output).await;
    fetch.end_lease(received.is_ok()).await;
    received
}

async fn to_stream(
    Ready { fetch, opened, first }: Ready,
    options: ReceiveOptions,
    progress: Arc<dyn Progress>,
    output: impl Write + Send + 'static,
) -> Result<Received, Error> {
    let selection = Selection::new(&opened, &options.only)?;
    if selection.pieces.len() != 1 {
        return Err(Error::SeveralFiles { count: selection.pieces.len() });
    }
    let received = received(&opened, selection.size(), 1);
    Stream { fetch, opened, selection, progress, output: Arc::new(Mutex::new(output)) }.run(first).await?;
    Ok(received)
}

/// Says what a person should know about the place before anything travels there.
fn tell_before(kept: &Kept, found: Found, undotted: Option<Undotted>, progress: &dyn Progress) {
    let unusable = (found == Found::Unusable).then_some(Notice::KeptUnusable);
    let not_ours = kept.set_aside().map(|path| Notice::NotOurs { path: path.to_owned() });
    let undotted = undotted.map(|Undotted { sent, here }| Notice::DotName { name: sent, here });
    for notice in [unusable, not_ours, undotted].into_iter().flatten() {
        progress.on(Event::Notice(notice));
    }
}

/// Cleans up; no failure of it is worth more than the one that it is for.
async fn clean_up<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
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
    async fn new(
        options: &ReceiveOptions,
        ambient: &Ambient,
        progress: &Arc<dyn Progress>,
        lease: impl FnOnce(&ReceiveOptions, TransferId, &Ambient) -> Lease + Send + 'static,
    ) -> Result<Self, Error> {
        let (id, options_of_lease, ambient_of_lease) =
            (parse_link(&options.link)?.id, options.clone(), ambient.clone());
        let lease = blocking(move || Ok(lease(&options_of_lease, id, &ambient_of_lease))).await?;
        let entry = Self::enter(options, ambient, progress, &lease).await;
        if let Err(Error::Deleted | Error::Expired | Error::Exhausted) = &entry {
            lease.forget_token();
            let output = options.output.clone();
            let stay = clean_up(move || forget(&id, output.as_deref())).await;
            for path in stay {
                progress.on(Event::Notice(Notice::NotOurs { path }));
            }
        }
        let Entry { api, retry, id, manifest, token, .. } = entry?;
        let window = Window::new(options.window_bytes, options.parallel);
        let fetch = Arc::new(Fetch { api, retry, progress: Arc::clone(progress), window, id, token, lease });
        let (opened, first) = match manifest {
            Unlocked::Full(opened) => (opened, None),
            Unlocked::Seed(seed) => {
                progress.on(Event::Notice(Notice::NoMetadata));
                let (opened, first) = match fetch.open_seed(id, seed).await {
                    Ok(opened) => opened,
                    Err(error) => {
                        fetch.end_lease(false).await;
                        return Err(error);
                    }
                };
                (opened, Some(first))
            }
        };
        Ok(Self { fetch, opened: Arc::new(opened), first })
    }

    /// Finds that the keys fit, and takes a place where the transfer has a limit: not before, and before any chunk.
    async fn enter(
        options: &ReceiveOptions,
        ambient: &Ambient,
        progress: &Arc<dyn Progress>,
        lease: &Lease,
    ) -> Result<Entry, Error> {
        let entry = Entry::open(options, ambient, Arc::clone(progress), lease).await?;
        if entry.is_limited {
            let taken = lease.take(&entry.api, &entry.retry, (entry.id, entry.token.as_str())).await;
            taken.map_err(|error| error.into_error(entry.api.server().base(), Role::Download))?;
        }
        Ok(entry)
    }
}
