//! From the blob store to the rows: folders that no row speaks of, and what the sweep left behind.

use std::sync::atomic::Ordering;

use futures::TryStreamExt as _;
use haulier_wire::{Timestamp, TransferId};

use super::{Case, Damage, Finding, TRANSFERS_AT_ONCE};
use crate::blob::BlobKey;
use crate::store::StoreError;

/// What lies in one folder.
#[derive(Default)]
struct Content {
    blobs: u64,
    bytes: u64,
    has_meta: bool,
    newest: Option<Timestamp>,
    foreign: Vec<String>,
    has_more_foreign: bool,
}

/// Foreign names of one folder that are reported by name.
const MAX_FOREIGN_NAMES: usize = 20;

impl Case<'_> {
    pub(super) async fn look_at_folders(&self) -> Result<(), StoreError> {
        let names = self.transfers.blobs.transfers();
        names.try_for_each_concurrent(TRANSFERS_AT_ONCE, |name| self.look_at_folder(name)).await
    }

    async fn look_at_folder(&self, name: String) -> Result<(), StoreError> {
        self.counts.folders.fetch_add(1, Ordering::Relaxed);
        let Ok(id) = name.parse::<TransferId>() else {
            self.found(&Finding::new(Damage::ForeignName, None).found(name));
            return Ok(());
        };
        match self.transfers.metadata.transfer(id).await? {
            Some(transfer) if transfer.is_swept => self.look_at_unwanted(id, true).await,
            // Its row was looked at, or its sweep is still to come.
            Some(_) => Ok(()),
            None => self.look_at_unwanted(id, false).await,
        }
    }

    async fn look_at_unwanted(&self, id: TransferId, is_swept: bool) -> Result<(), StoreError> {
        let content = self.content(id).await?;
        if content.newest.is_some_and(|newest| self.is_young(newest)) {
            return Ok(());
        }
        for name in &content.foreign {
            self.found(&Finding::new(Damage::ForeignName, Some(id)).found(name));
        }
        let damage = match (is_swept, content.has_meta) {
            (true, _) => Damage::Leftover,
            (false, true) => Damage::RowMissing,
            (false, false) => Damage::Orphan,
        };
        let finding = Finding::new(damage, Some(id)).found(format!("{} blobs, {} bytes", content.blobs, content.bytes));
        if damage == Damage::RowMissing {
            // The last copy of something that a rebuild brings back: never garbage.
            self.found(&finding.expected("its row"));
        } else if !content.foreign.is_empty() || content.has_more_foreign {
            self.found(&finding);
        } else if is_swept {
            let removed = async { self.transfers.blobs.remove_transfer(id).await.map(|()| true) };
            self.repairable(finding, removed).await;
        } else {
            self.repairable(finding, self.transfers.bury(id)).await;
        }
        Ok(())
    }

    async fn content(&self, id: TransferId) -> Result<Content, StoreError> {
        let mut content = Content::default();
        let mut listed = self.transfers.blobs.blobs_of(id);
        while let Some(listed) = listed.try_next().await? {
            content.newest = content.newest.max(Some(listed.modified));
            match BlobKey::from_name(id, &listed.name) {
                None if content.foreign.len() < MAX_FOREIGN_NAMES => content.foreign.push(listed.name),
                None => content.has_more_foreign = true,
                Some(key) => {
                    content.blobs += 1;
                    content.bytes += listed.len;
                    content.has_meta |= matches!(key, BlobKey::Meta(_));
                }
            }
        }
        Ok(content)
    }
}
