//! The beginnings of chunks that were arriving when a get ended, sealed as they came: beside the part, in one file.
//!
//! A chunk of 64 MiB over a poor line takes minutes, and a run that ends in between should not cost them. Nothing in
//! here is believed: the server is asked for the rest of the same content, and the whole must open like any other chunk.
//! So nothing is synced, and a slot that a power cut tore costs one more try.
//!
//! Slot `i` stands at `i` * (512 + sealed bytes of a full chunk): a head, and as many bytes as the head says. As many
//! slots as chunks can be under way are used, again and again. All of it is best effort: without it a get is no less right.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::Instant;

use super::chunk_log::is_own_file;
use super::part::BLOCK_BYTES;
use crate::http::{Arrival, Shelf, Watch};
use crate::secret::blocking;

const MAGIC: &[u8; 16] = b"haulier begun  1";
const HEAD_BYTES: usize = 512;
/// Where the content's name begins in a head: after magic, index, bytes, and the name's length.
const ETAG_AT: usize = 32;
/// After each write the disk is left alone for so many times as long as it took: one that is slower than the network would
/// otherwise have twice the work.
const RESTS: u32 = 8;
const UNIT_BYTES: u64 = 1 << 10;
/// Most slots, however small the chunks.
const MAX_SLOTS: u64 = 1_024;

/// The beginnings of chunks beside one part; the lock of the part's log is the right to write here, too.
#[derive(Debug)]
pub(super) struct Arriving {
    path: PathBuf,
    /// Sealed bytes of a full chunk.
    chunk_bytes: u64,
    most: usize,
    file: OnceLock<Option<File>>,
    /// What each slot holds.
    slots: Mutex<Vec<Option<Begun>>>,
    /// Whether the run is at its end. Read while something is written: whoever sets it has waited for all of that.
    ended: RwLock<bool>,
    rests_until: Mutex<Instant>,
}

/// The beginning of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begun {
    index: u32,
    bytes: u64,
    /// What the server calls the content.
    etag: Vec<u8>,
}

impl Arriving {
    /// Finds what an earlier run left at `path`, unless it is not to `resume`: then that goes. Blocks.
    ///
    /// `room_bytes` is what the disk can spare, with what lies here counted as free; at most that much is ever kept.
    pub(super) fn open(path: PathBuf, chunk_bytes: u64, room_bytes: u64, resume: bool) -> Self {
        // As the window of chunks under way counts, in KiB: their heads come on top.
        let most = (room_bytes / UNIT_BYTES / (chunk_bytes / UNIT_BYTES).max(1)).min(MAX_SLOTS);
        let most = usize::try_from(most).unwrap_or(0);
        let (file, slots, rests_until) = (OnceLock::new(), Mutex::default(), Mutex::new(Instant::now()));
        let arriving = Self { path, chunk_bytes, most, file, slots, ended: RwLock::default(), rests_until };
        match open(&arriving.path, false).filter(|_| resume) {
            Some(file) => {
                // What another run had room for may be more than there is now.
                let most_bytes = arriving.offset(most);
                if file.metadata().is_ok_and(|metadata| metadata.len() > most_bytes) {
                    let _ = file.set_len(most_bytes);
                }
                let slots = (0..most).map_while(|slot| arriving.read_head(&file, slot).ok()).collect();
                *arriving.slots() = slots;
                let _ = arriving.file.set(Some(file));
            }
            None => arriving.remove(),
        }
        arriving
    }

    /// The place of one chunk.
    pub(super) fn spot(self: &Arc<Self>, index: u32) -> Spot {
        Spot { arriving: Arc::clone(self), index }
    }

    /// Whether the beginning of any chunk is here.
    pub(super) fn holds_some(&self) -> bool {
        self.slots().iter().any(Option::is_some)
    }

    /// Waits for what is just being written and takes nothing more. Blocks.
    pub(super) fn end(&self) {
        *self.ended.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Removes the file. Blocks.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Leaves the disk alone for a while after it was busy for `took`.
    fn rest(&self, took: Duration) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + took * RESTS;
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Begun>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, index: u32) -> Option<(usize, Begun)> {
        let slots = self.slots();
        let mut held = (0..).zip(slots.iter()).filter_map(|(slot, begun)| Some((slot, begun.as_ref()?)));
        held.find(|(_, begun)| begun.index == index).map(|(slot, begun)| (slot, begun.clone()))
    }

    /// The slot of a chunk, or a free one for it.
    fn claim(&self, begun: Begun) -> Option<usize> {
        let mut slots = self.slots();
        let own = slots.iter().position(|held| held.as_ref().is_some_and(|held| held.index == begun.index));
        let slot = own.or_else(|| slots.iter().position(Option::is_none)).or_else(|| {
            (slots.len() < self.most).then(|| {
                slots.push(None);
                slots.len() - 1
            })
        })?;
        slots[slot] = Some(begun);
        Some(slot)
    }

    /// The file, made when it is first needed: most chunks arrive too soon for it.
    fn file(&self) -> Option<&File> {
        self.file.get_or_init(|| open(&self.path, true)).as_ref()
    }

    fn offset(&self, slot: usize) -> u64 {
        slot as u64 * (self.chunk_bytes + HEAD_BYTES as u64)
    }

    /// What a slot holds; nothing where its head makes no sense, and an error behind the last.
    fn read_head(&self, file: &File, slot: usize) -> io::Result<Option<Begun>> {
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, self.offset(slot))?;
        Ok(Begun::decode(&head).filter(|begun| begun.bytes <= self.chunk_bytes))
    }

    fn write(&self, begun: Begun, from: u64, bytes: &[u8]) -> Option<()> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return None;
        }
        let (file, head) = (self.file()?, begun.encode()?);
        let slot = self.claim(begun)?;
        let offset = self.offset(slot);
        let bytes = file.write_all_at(bytes, offset + HEAD_BYTES as u64 + from);
        let written = bytes.and_then(|()| file.write_all_at(&head, offset)).ok();
        if written.is_none() {
            self.slots()[slot] = None;
        }
        written
    }
}

impl Begun {
    fn encode(&self) -> Option<[u8; HEAD_BYTES]> {
        let mut head = [0; HEAD_BYTES];
        head[..16].copy_from_slice(MAGIC);
        head[16..20].copy_from_slice(&self.index.to_be_bytes());
        head[20..28].copy_from_slice(&self.bytes.to_be_bytes());
        head[28..ETAG_AT].copy_from_slice(&u32::try_from(self.etag.len()).ok()?.to_be_bytes());
        head.get_mut(ETAG_AT..ETAG_AT + self.etag.len())?.copy_from_slice(&self.etag);
        Some(head)
    }

    fn decode(head: &[u8; HEAD_BYTES]) -> Option<Self> {
        let number =
            |range: std::ops::Range<usize>| head[range].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let etag_len = usize::try_from(number(28..ETAG_AT)).ok()?;
        let etag = head.get(ETAG_AT..ETAG_AT.checked_add(etag_len)?)?.to_vec();
        let index = u32::try_from(number(16..20)).ok()?;
        head.starts_with(MAGIC).then(|| Self { index, bytes: number(20..28), etag })
    }
}

/// Where the beginning of one chunk is kept.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    arriving: Arc<Arriving>,
    index: u32,
}

impl Spot {
    /// Bytes that an earlier run left of the chunk.
    pub(super) fn bytes(&self) -> u64 {
        self.arriving.find(self.index).map_or(0, |(_, begun)| begun.bytes)
    }

    /// The chunk's way in: goes on from what an earlier run left, and is kept here in its turn.
    pub(super) async fn arrival<'b>(&self, buffer: &'b mut Vec<u8>, len: u64, watch: &Watch) -> Arrival<'b> {
        let (mut etag, counted) = (None, self.bytes());
        if counted > 0 {
            let (spot, mut bytes) = (self.clone(), std::mem::take(buffer));
            let loaded = blocking(move || Ok((spot.load(&mut bytes), bytes))).await;
            (etag, *buffer) = loaded.unwrap_or_default();
        }
        let mut arrival = match etag {
            Some(etag) => Arrival::begun(buffer, len, &etag),
            None => Arrival::new(buffer, len),
        };
        let had = arrival.most() as u64;
        watch.had(had);
        // It was counted as present, by its head alone.
        watch.lost(counted.saturating_sub(had));
        arrival.keep_on(Arc::new(self.clone()));
        arrival
    }

    /// Reads what an earlier run left of the chunk into `buffer`, and returns the name of that content. Blocks.
    fn load(&self, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
        let (slot, begun) = self.arriving.find(self.index)?;
        buffer.resize(usize::try_from(begun.bytes).ok()?, 0);
        let offset = self.arriving.offset(slot) + HEAD_BYTES as u64;
        self.arriving.file()?.read_exact_at(buffer, offset).ok()?;
        Some(begun.etag)
    }

    /// Gives the slot free, if the chunk has one: it is in the part, or was not what it should be. Blocks.
    pub(super) fn clear(&self) {
        let Some((slot, _)) = self.arriving.find(self.index) else { return };
        // The head first: what the next run finds is then at worst less than there is.
        if let Some(file) = self.arriving.file() {
            let _ = file.write_all_at(&[0; HEAD_BYTES], self.arriving.offset(slot));
        }
        self.arriving.slots()[slot] = None;
    }
}

impl Shelf for Spot {
    fn keep(&self, etag: &[u8], from: usize, bytes: &[u8]) -> bool {
        let (from, len) = (from as u64, bytes.len() as u64);
        let begun = Begun { index: self.index, bytes: from + len, etag: etag.to_vec() };
        // Longer than the chunk: a server that lies. A hole before it: it would not open.
        if begun.bytes > self.arriving.chunk_bytes || (from > 0 && self.bytes() < from) {
            return false;
        }
        let before = Instant::now();
        let written = self.arriving.write(begun, from, bytes);
        self.arriving.rest(before.elapsed());
        written.is_some()
    }

    fn rests(&self) -> bool {
        Instant::now() < *self.arriving.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the file that an earlier run left occupies of the disk. Blocks.
pub(super) fn occupied_bytes(path: &Path) -> u64 {
    let metadata = path.symlink_metadata().ok().filter(is_own_file);
    metadata.map_or(0, |metadata| metadata.blocks() * BLOCK_BYTES)
}

/// Opens the file, if it is this user's own and nothing else, or makes it where nothing stands.
fn open(path: &PathBuf, create: bool) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = File::options();
    options.read(true).write(true).mode(0o600).custom_flags(flags);
    if create {
        options.create_new(true);
    }
    let file = options.open(path).ok()?;
    file.metadata().is_ok_and(|metadata| is_own_file(&metadata)).then_some(file)
}

#[cfg(test)]
mod tests;
