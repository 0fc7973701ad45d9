//! Import: takes over the transfers of the older system from its store, which stays as it is.
//!
//! Safe beside running servers, to stop anywhere and to run again: a row is inserted whole, behind its blob, and only
//! where none is. Of a transfer that was being copied when a run ended, the next run makes a new copy and removes the old.

mod meta;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use haulier_wire::limit::SEALED_OVERHEAD_BYTES;
use haulier_wire::{Timestamp, TransferId, TransferKind};

use super::{TransferError, Transfers, state};
use crate::blob::{BlobKey, Expected};
use crate::metadata::{Expiry, Payload, PayloadUpload, Restored, Shape, StoredState, Transfer};
use crate::store::StoreError;
use meta::{LegacyMeta, Refused, Wanted};

pub use crate::blob::foreign::{ForeignObject, ForeignStore, Found};

/// Transfers that are copied at the same time.
const TRANSFERS_AT_ONCE: usize = 4;
/// Longest meta.json that is read: the older system adds an event with every download.
const MAX_META_BYTES: u64 = 64 << 20;

/// How far it has come; can be read at any time.
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicU64,
    imported: AtomicU64,
    endless: AtomicU64,
    known: AtomicU64,
    over: AtomicU64,
    failed: AtomicU64,
    unreadable: AtomicU64,
    bytes: AtomicU64,
}

/// What [`Progress`] holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Transfers of the older system.
    pub found: u64,
    /// Those that were taken, or would be.
    pub imported: u64,
    /// Of these, how many had no end there and got one.
    pub without_end: u64,
    /// Ids that this system has already.
    pub known: u64,
    /// Those that nobody could download any more, or yet.
    pub over: u64,
    /// Those that could not be taken.
    pub failed: u64,
    /// Folders and the like of the source that could not be looked at.
    pub unreadable: u64,
    /// Bytes of payloads that were taken, or would be.
    pub bytes: u64,
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Remark {
    /// Of one transfer.
    Transfer {
        /// Which.
        transfer_id: TransferId,
        /// Whether it was taken all the same.
        imported: bool,
        /// What is to be said.
        reason: String,
    },
    /// Of a folder and the like that could not be looked at.
    Unreadable {
        /// Its name in the source.
        unreadable: String,
        /// What the system says.
        reason: String,
    },
}

impl Progress {
    /// How far it has come.
    #[must_use]
    pub fn imported(&self) -> Imported {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Imported {
            found: read(&self.found),
            imported: read(&self.imported),
            without_end: read(&self.endless),
            known: read(&self.known),
            over: read(&self.over),
            failed: read(&self.failed),
            unreadable: read(&self.unreadable),
            bytes: read(&self.bytes),
        }
    }
}

/// One run.
struct Run<'r> {
    transfers: &'r Transfers,
    source: &'r dyn ForeignStore,
    dry: bool,
    progress: &'r Progress,
    report: &'r (dyn Fn(&Remark) + Send + Sync),
    /// What was known, was taken or is being copied: an id that comes again is of another transfer, or a copy.
    met: Mutex<HashSet<TransferId>>,
}

impl Transfers {
    /// Takes every transfer of the older system that `source` has and that is not here; calls `report` for each of which
    /// there is something to say. With `dry`, only looks.
    ///
    /// # Errors
    /// When a store cannot be asked. Run it again then: it goes on where it was.
    pub async fn import(
        &self,
        source: &dyn ForeignStore,
        dry: bool,
        progress: &Progress,
        report: &(dyn Fn(&Remark) + Send + Sync),
    ) -> Result<(), StoreError> {
        if !dry {
            // No server may ever have run since the last command was killed. It is no reason to take nothing.
            if let Err(error) = self.sweep_abandoned().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what killed commands have staged was not looked for");
            }
        }
        let run = Run { transfers: self, source, dry, progress, report, met: Mutex::default() };
        let found = source.objects().try_filter_map(async |found| match found {
            Found::Object(object) => {
                let folder = transfer_folder(&object.name).map(|(folder, id)| (folder.to_owned(), id));
                Ok(folder.map(|(folder, id)| (folder, id, object)))
            }
            Found::Unreadable { name, why } => {
                progress.unreadable.fetch_add(1, Ordering::Relaxed);
                report(&Remark::Unreadable { unreadable: name, reason: why });
                Ok(None)
            }
        });
        found
            .try_for_each_concurrent(TRANSFERS_AT_ONCE, async |(folder, id, meta)| run.take(&folder, id, &meta).await)
            .await
    }
}

impl Run<'_> {
    async fn take(&self, folder: &str, id: TransferId, meta: &ForeignObject) -> Result<(), StoreError> {
        let add = |count: &AtomicU64, more| count.fetch_add(more, Ordering::Relaxed);
        let say = |imported, reason| (self.report)(&Remark::Transfer { transfer_id: id, imported, reason });
        let progress = self.progress;
        add(&progress.found, 1);
        match self.outcome(folder, id, meta).await? {
            Outcome::Taken { len, wanted } => {
                let expected = wanted.file_size.saturating_add(SEALED_OVERHEAD_BYTES);
                if len != expected {
                    let announced = format!("sealed, what its sender announced has {expected}");
                    say(true, format!("its payload has {len} bytes; {announced}"));
                }
                if wanted.has_strange_delete_auth_hash {
                    say(true, "its delete_auth_hash is no hash: as there, nobody can delete it".to_owned());
                }
                add(&progress.imported, 1);
                add(&progress.endless, u64::from(wanted.expires_at.is_none()));
                add(&progress.bytes, len);
            }
            Outcome::Known => drop(add(&progress.known, 1)),
            Outcome::Over(reason) => {
                add(&progress.over, 1);
                say(false, reason.to_owned());
            }
            Outcome::Failed(reason) => {
                add(&progress.failed, 1);
                say(false, reason);
            }
        }
        Ok(())
    }

    async fn outcome(&self, folder: &str, id: TransferId, meta: &ForeignObject) -> Result<Outcome, StoreError> {
        let is_known = self.transfers.metadata.transfer(id).await?.is_some();
        if is_known && self.met().insert(id) {
            return Ok(Outcome::Known);
        }
        let found = match self.meta(meta).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Outcome::Failed(reason)),
        };
        let wanted = match found.check(id, self.transfers.clock.now()) {
            Ok(wanted) => wanted,
            Err(Refused::Over(reason)) => return Ok(Outcome::Over(reason)),
            Err(Refused::Wrong(reason)) => return Ok(Outcome::Failed(reason.to_owned())),
        };
        let payload = format!("{folder}payload");
        let len = match of_one(self.source.len(&payload).await)? {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(Outcome::Failed("its payload is missing".to_owned())),
            Err(why) => return Ok(Outcome::Failed(format!("its payload cannot be read: {why}"))),
        };
        if is_known || !self.met().insert(id) {
            return Ok(Outcome::Failed(format!("the source has its id twice, and {folder} is the second")));
        }
        if self.dry {
            return Ok(Outcome::Taken { len, wanted });
        }
        Ok(match self.copy(id, &payload, len, &wanted).await? {
            Copied::Taken => Outcome::Taken { len, wanted },
            Copied::Known => Outcome::Known,
            Copied::Failed(reason) => {
                self.met().remove(&id);
                Outcome::Failed(reason)
            }
        })
    }

    fn met(&self) -> MutexGuard<'_, HashSet<TransferId>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a meta.json, or says why that is none.
    async fn meta(&self, meta: &ForeignObject) -> Result<Result<LegacyMeta, String>, StoreError> {
        if meta.len > MAX_META_BYTES {
            return Ok(Err("meta.json is too long".to_owned()));
        }
        let content = match of_one(self.source.read(&meta.name, 0..meta.len).await)? {
            Ok(Some(content)) => content.try_collect::<Vec<Bytes>>().await,
            Ok(None) => return Ok(Err("meta.json was changed while it was read".to_owned())),
            Err(why) => return Ok(Err(format!("meta.json cannot be read: {why}"))),
        };
        let Ok(pieces) = content else { return Ok(Err("meta.json cannot be read to its end".to_owned())) };
        let found = serde_json::from_slice(&pieces.concat());
        Ok(found.map_err(|_| "meta.json is not what the older system writes".to_owned()))
    }

    async fn copy(&self, id: TransferId, name: &str, len: u64, wanted: &Wanted) -> Result<Copied, StoreError> {
        let (blobs, metadata) = (&self.transfers.blobs, &self.transfers.metadata);
        let mut content = match of_one(self.source.read(name, 0..len).await)? {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(Copied::Failed("its payload was changed while it was read".to_owned())),
            Err(why) => return Ok(Copied::Failed(format!("its payload cannot be read: {why}"))),
        };
        let upload_id = self.transfers.new_upload();
        let mut staged = blobs.stage(BlobKey::Payload(id, upload_id), Expected::Exactly(len)).await?;
        let mut hasher = blake3::Hasher::new();
        let mut received = 0;
        while let Some(piece) = content.next().await {
            let Ok(piece) = piece else { break };
            received += piece.len() as u64;
            hasher.update(&piece);
            staged.write(piece).await?;
        }
        if received != len {
            return Ok(Copied::Failed(format!("its payload cannot be read: {received} of {len} bytes")));
        }
        staged.finish().await?;
        staged.publish().await?;
        let upload = PayloadUpload { id: upload_id, len, blake3: hasher.finalize().into() };
        let transfer = self.row(id, upload, wanted);
        self.transfers.save(&transfer).await?;
        let restored = Restored { transfer, sealed_metadata: None, chunks: Vec::new() };
        if metadata.restore(&restored).await? {
            self.transfers.forget_other_uploads(id, upload).await;
            return Ok(Copied::Taken);
        }
        // Somebody has made a transfer of this id since our look: what we wrote must not speak for it.
        self.transfers.forget_upload(id, upload_id).await;
        match self.transfers.metadata.transfer(id).await? {
            Some(row) if row.state == StoredState::Completed => {
                let saved = self.transfers.save_latest(row, self.transfers.clock.now()).await;
                if let Err(TransferError::Store(error)) = saved {
                    return Err(error);
                }
            }
            _ => blobs.remove(BlobKey::Meta(id)).await?,
        }
        Ok(Copied::Known)
    }

    fn row(&self, id: TransferId, upload: PayloadUpload, wanted: &Wanted) -> Transfer {
        let now = self.transfers.clock.now();
        let expires_at = wanted.expires_at.unwrap_or_else(|| state::after(now, self.transfers.limits.max_expiry));
        let in_milliseconds = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        Transfer {
            id,
            kind: TransferKind::Payload,
            state: StoredState::Completed,
            // Nobody can repeat the request that made it.
            create_digest: blake3::hash(&self.transfers.entropy.bytes()).into(),
            shape: Shape::Payload(Payload {
                file_size: wanted.file_size,
                content_type_hint: wanted.content_type_hint.clone(),
                auto_delete: wanted.auto_delete,
                upload: Some(upload),
            }),
            stored_chunks: 0,
            stored_bytes: upload.len,
            key_check: None,
            kdf_salt: None,
            owner_token_hash: wanted.delete_auth_hash.clone(),
            download_token_hash: None,
            max_downloads: wanted.max_downloads,
            download_count: wanted.download_count,
            held: wanted.download_count,
            abandoned_bytes: 0,
            created_at: in_milliseconds(wanted.created_at),
            upload_expires_at: in_milliseconds(wanted.completed_at),
            expiry: Expiry::At(in_milliseconds(expires_at)),
            completed_at: Some(in_milliseconds(wanted.completed_at)),
            is_swept: false,
        }
    }
}

/// What came of one transfer.
enum Outcome {
    /// It was taken, or would be.
    Taken {
        /// Bytes of its payload.
        len: u64,
        wanted: Wanted,
    },
    Known,
    Over(&'static str),
    Failed(String),
}

/// Tells what is wrong with one object, as the system says it, from a source that is away.
fn of_one<T>(asked: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match asked {
        Ok(found) => Ok(Ok(found)),
        Err(error @ StoreError::Unavailable(_)) => Err(error),
        Err(error) => Ok(Err(error.damaged_file().unwrap_or_else(|| "the store refuses it".to_owned()))),
    }
}

/// What came of one copy.
enum Copied {
    Taken,
    Known,
    Failed(String),
}

/// The folder, with its last slash, and the id of the transfer whose meta.json this is, in either of the older system's
/// layouts: `transfers/ID/meta.json`, and `transfers/ID[0..2]/ID/meta.json`.
fn transfer_folder(name: &str) -> Option<(&str, TransferId)> {
    let folder = name.strip_suffix("meta.json")?;
    let (above, id) = folder.strip_suffix('/')?.rsplit_once('/')?;
    let id: TransferId = id.parse().ok().filter(TransferId::is_legacy)?;
    let shard = format!("/{}", &id.as_str()[..2]);
    let above = above.strip_suffix(&shard).unwrap_or(above);
    (above == "transfers" || above.ends_with("/transfers")).then_some((folder, id))
}

#[cfg(test)]
mod tests;
