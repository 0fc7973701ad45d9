//! The older system's meta.json: what is read of it, and whether its transfer can be taken.

use haulier_wire::limit::MAX_CONTENT_TYPE_HINT_BYTES;
use haulier_wire::number::MAX_SAFE_INTEGER;
use haulier_wire::{Timestamp, TokenHash, TransferId};
use serde::Deserialize;

/// What is read of a meta.json; whatever else it holds is left behind, addresses' hashes above all.
#[derive(Debug, Deserialize)]
pub(super) struct LegacyMeta {
    transfer_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    file_size_bytes: i64,
    #[serde(default)]
    content_type_hint: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    download_count: i64,
    #[serde(default)]
    max_downloads: i64,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    delete_auth_hash: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default)]
    action: String,
    #[serde(default)]
    timestamp: String,
}

/// A transfer that can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) file_size: u64,
    pub(super) content_type_hint: String,
    pub(super) created_at: Timestamp,
    pub(super) completed_at: Timestamp,
    pub(super) download_count: u64,
    pub(super) max_downloads: u64,
    pub(super) auto_delete: bool,
    /// None: it never ends there.
    pub(super) expires_at: Option<Timestamp>,
    pub(super) delete_auth_hash: Option<TokenHash>,
    /// There was one, which no token can match: the older system compares with a hash in lowercase digits.
    pub(super) has_strange_delete_auth_hash: bool,
}

/// Why a transfer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Nothing to be taken: it is over, or never was.
    #[error("{0}")]
    Over(&'static str),
    /// Something is wrong with it.
    #[error("{0}")]
    Wrong(&'static str),
}

impl LegacyMeta {
    /// Reads the members of the transfer in folder `id`, as they are at `now`.
    pub(super) fn check(&self, id: TransferId, now: Timestamp) -> Result<Wanted, Refused> {
        if self.transfer_id != id.as_str() {
            return Err(Refused::Wrong("meta.json is of another transfer"));
        }
        match &*self.status {
            "completed" => {}
            "pending" => return Err(Refused::Over("it was never completed")),
            "deleted" => return Err(Refused::Over("it was deleted")),
            "exhausted" => return Err(Refused::Over("its downloads are used up")),
            "expired" => return Err(Refused::Over("it has expired")),
            _ => return Err(Refused::Wrong("meta.json has a status that nobody knows")),
        }
        let number = |number: i64, wrong| {
            let number = u64::try_from(number).ok().filter(|number| *number <= MAX_SAFE_INTEGER);
            number.ok_or(Refused::Wrong(wrong))
        };
        let file_size = number(self.file_size_bytes, "file_size_bytes is out of range")?;
        let download_count = number(self.download_count, "download_count is out of range")?;
        let max_downloads = number(self.max_downloads, "max_downloads is out of range")?;
        if max_downloads > 0 && download_count >= max_downloads {
            return Err(Refused::Over("its downloads are used up"));
        }
        let moment = |text: &str| text.parse::<Timestamp>().ok();
        let created_at = moment(&self.created_at).ok_or(Refused::Wrong("created_at is no moment"))?;
        let completed = self.events.iter().find(|event| event.action == "complete");
        let completed_at = completed.and_then(|event| moment(&event.timestamp)).unwrap_or(created_at);
        let expires_at = match &*self.expires_at {
            "" => None,
            text => Some(moment(text).ok_or(Refused::Wrong("expires_at is no moment: nobody could download it"))?),
        };
        if expires_at.is_some_and(|at| at <= now) {
            return Err(Refused::Over("it has expired"));
        }
        let delete_auth_hash = self.delete_auth_hash.parse().ok();
        let has_strange_delete_auth_hash = delete_auth_hash.is_none() && !self.delete_auth_hash.is_empty();
        let content_type_hint = self.hint();
        let auto_delete = self.auto_delete;
        Ok(Wanted {
            file_size,
            content_type_hint,
            created_at,
            completed_at,
            download_count,
            max_downloads,
            auto_delete,
            expires_at,
            delete_auth_hash,
            has_strange_delete_auth_hash,
        })
    }

    /// What create would not take is left out: nobody relies on a hint.
    fn hint(&self) -> String {
        let hint = &self.content_type_hint;
        let is_fine = hint.len() <= MAX_CONTENT_TYPE_HINT_BYTES && !hint.contains(char::is_control);
        if is_fine { hint.clone() } else { String::new() }
    }
}

#[cfg(test)]
mod tests;
