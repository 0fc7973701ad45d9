//! The lease of one get, where the transfer has a limit of downloads: its token lasts from one run to the next.
//!
//! The token is kept before it is first sent, so that neither a lost answer nor the end of either side takes a second
//! place. A get that ends early and can go on keeps its place; one that leaves nothing behind gives it back. A lease reads
//! twice the payload and no more: a get that broke off that often takes another place, if there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haulier_wire::TransferId;
use haulier_wire::encoding::{to_base64url, to_hex};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::options::ReceiveOptions;
use crate::ambient::Ambient;
use crate::http::{Api, CallError, Retry, until_final};
use crate::resume::{private_folders, write_durably};

/// Below the state folder: one small file for each get that has a place.
const FOLDER: &str = "leases";
/// Characters of a token: 32 random bytes.
const TOKEN_LEN: usize = 43;
/// The last word of a get is not worth more waiting: what was read is charged without it, and a place ends by itself.
const LAST_WORD: Duration = Duration::from_secs(10);
/// Places that one run takes after its first, each one of the sender's: a network this bad may never bring all of it.
const MORE_PLACES: u32 = 2;

/// One place in a limited transfer, or the means to take one.
pub(super) struct Lease {
    token: Mutex<Token>,
    ambient: Ambient,
    path: Option<PathBuf>,
    /// Whether an earlier run of the same get left it.
    was_kept: bool,
    is_taken: AtomicBool,
    /// Whether this run leaves something to go on from.
    is_needed: AtomicBool,
}

/// The token of the place that is used now.
struct Token {
    text: Zeroizing<String>,
    /// How many places may follow it.
    more: u32,
}

impl Token {
    fn new(ambient: &Ambient, more: u32) -> Self {
        Self { text: Zeroizing::new(to_base64url(&ambient.random_key())), more }
    }
}

impl Lease {
    /// Finds what an earlier run of the same get left, or makes a new one. Blocks.
    pub(super) fn open(options: &ReceiveOptions, id: TransferId, ambient: &Ambient) -> Self {
        let path = options.state_dir.as_ref().map(|root| root.join(FOLDER).join(name(options, id)));
        let kept = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).filter(|text| is_token(text));
        let was_kept = kept.is_some();
        let token = kept.map(|kept| Token { text: Zeroizing::new(kept), more: MORE_PLACES });
        Self {
            token: Mutex::new(token.unwrap_or_else(|| Token::new(ambient, MORE_PLACES))),
            ambient: ambient.clone(),
            path,
            was_kept,
            is_taken: AtomicBool::new(false),
            is_needed: AtomicBool::new(false),
        }
    }

    /// From now on it is for this run alone: a stream cannot be gone on with.
    pub(super) fn for_one_run(options: &ReceiveOptions, id: TransferId, ambient: &Ambient) -> Self {
        Self::open(&ReceiveOptions { state_dir: None, ..options.clone() }, id, ambient)
    }

    /// Whether an earlier run may have left a place.
    pub(super) fn was_kept(&self) -> bool {
        self.was_kept
    }

    /// The token, if there may be a lease behind it.
    pub(super) fn token(&self) -> Option<Zeroizing<String>> {
        (self.was_kept || self.is_taken.load(Ordering::Relaxed)).then(|| self.locked().text.clone())
    }

    /// Takes the place, or finds that it is there: any number of times, at the same time.
    pub(super) async fn take(&self, api: &Api, retry: &Retry, reader: (TransferId, &str)) -> Result<(), CallError> {
        if !self.was_kept && !self.is_taken.load(Ordering::Relaxed) {
            self.keep_token(&self.locked());
        }
        let token = self.locked().text.clone();
        let lease = until_final!(retry, api.take_lease(reader, &token))?;
        self.is_taken.store(lease.limited, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets a token whose lease has read all that it may, for another one, which has no place yet. `false` when this
    /// run has had enough of them. Of several that come with the same token, one makes the other one.
    pub(super) fn renew(&self, used_up: &str) -> bool {
        let mut token = self.locked();
        if *token.text != used_up {
            return true;
        }
        let Some(more) = token.more.checked_sub(1) else {
            // The next run is to find nothing that is used up.
            self.forget_token();
            return false;
        };
        *token = Token::new(&self.ambient, more);
        self.keep_token(&token);
        true
    }

    /// The get may go on later: its place is kept.
    pub(super) fn is_needed(&self) {
        self.is_needed.store(true, Ordering::Relaxed);
    }

    /// Says that the download is complete. Whatever the answer: every byte was charged before it came.
    pub(super) async fn commit(&self, api: &Api, retry: &Retry, reader: (TransferId, &str)) {
        if let Some(token) = self.token() {
            let committed = async { until_final!(retry, api.commit_lease(reader, &token)) };
            let _ = timeout(LAST_WORD, committed).await;
        }
        self.forget_token();
    }

    /// Gives the place back, unless the get may go on.
    pub(super) async fn end(&self, api: &Api, reader: (TransferId, &str)) {
        if self.was_kept || self.is_needed.load(Ordering::Relaxed) {
            return;
        }
        if let Some(token) = self.token() {
            let _ = timeout(LAST_WORD, api.give_back_lease(reader, &token)).await;
        }
        self.forget_token();
    }

    /// As well as it can: a get without it works, and only going on later takes a place anew.
    fn keep_token(&self, token: &Token) {
        if let Some(path) = &self.path {
            let folder = path.parent().unwrap_or(Path::new("."));
            let _ = private_folders(folder).and_then(|()| write_durably(path, token.text.as_bytes()));
        }
    }

    fn locked(&self) -> MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was kept.
    pub(super) fn forget_token(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The same get has the same name: the same transfer, to the same place, the same part of it.
fn name(options: &ReceiveOptions, id: TransferId) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let place = options.output.as_ref().map_or_else(|| here.clone(), |output| here.join(output));
    let mut hasher = blake3::Hasher::new();
    let parts = std::iter::once(place.as_os_str().as_encoded_bytes()).chain(options.only.iter().map(String::as_bytes));
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    format!("{id}-{}", to_hex(&hasher.finalize().as_bytes()[..16]))
}
