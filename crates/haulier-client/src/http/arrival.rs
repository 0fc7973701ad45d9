//! One sealed chunk on its way in, over as many tries as it takes: what has arrived stays when a connection breaks.

use std::sync::Arc;
use std::time::Duration;

use haulier_wire::TransferId;
use haulier_wire::problem::ProblemType;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use super::floor::Floor;
use super::{Api, CallError, Watch, again, answer, with_lease};

/// A chunk that takes longer is kept while it arrives, this often: an end of the process costs no more than that, and a
/// chunk of a fast network is never written twice.
const KEEP_EVERY: Duration = Duration::from_millis(250);

/// Where the beginning of a chunk is kept, for a later run.
pub(crate) trait Shelf: Send + Sync {
    /// Keeps the bytes at `from`, of the content that the server calls `etag`, as well as it can; `false` when it cannot.
    /// Blocks.
    fn keep(&self, etag: &[u8], from: usize, bytes: &[u8]) -> bool;

    /// Whether it is to be left alone for a moment.
    fn rests(&self) -> bool;
}

/// The bytes of one sealed chunk that are there so far.
pub(crate) struct Arrival<'b> {
    bytes: &'b mut Vec<u8>,
    len: usize,
    /// What the server calls the content that `bytes` is the beginning of.
    etag: Option<HeaderValue>,
    most: usize,
    shelf: Option<Arc<dyn Shelf>>,
    /// How much of `bytes` is on the shelf, and since when nothing was put there.
    kept: usize,
    kept_at: Instant,
}

impl<'b> Arrival<'b> {
    /// Nothing is there yet of `len` bytes; `bytes` has the capacity already.
    pub(crate) fn new(bytes: &'b mut Vec<u8>, len: u64) -> Self {
        bytes.clear();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Self { bytes, len, etag: None, most: 0, shelf: None, kept: 0, kept_at: Instant::now() }
    }

    /// `bytes` is the beginning of what the server called `etag`, in an earlier run.
    pub(crate) fn begun(bytes: &'b mut Vec<u8>, len: u64, etag: &[u8]) -> Self {
        let (begun, etag) = (std::mem::take(bytes), HeaderValue::from_bytes(etag).ok());
        let mut arrival = Self::new(bytes, len);
        if begun.len() <= arrival.len && etag.is_some() {
            (arrival.most, arrival.kept, arrival.etag) = (begun.len(), begun.len(), etag);
            *arrival.bytes = begun;
        }
        arrival
    }

    /// From now on keeps what arrives on a shelf, where it takes long.
    pub(crate) fn keep_on(&mut self, shelf: Arc<dyn Shelf>) {
        self.shelf = Some(shelf);
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing() == 0
    }

    /// The most bytes that were ever there: grows only by progress, however often it starts anew.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    fn restart(&mut self, watch: &Watch) {
        self.bytes.clear();
        (self.etag, self.kept) = (None, 0);
        watch.restarted();
    }

    fn is_due(&self) -> bool {
        self.kept_at.elapsed() >= KEEP_EVERY && self.shelf.as_ref().is_some_and(|shelf| !shelf.rests())
    }

    /// Puts what is new on the shelf.
    async fn keep(&mut self) {
        self.kept_at = Instant::now();
        let (Some(shelf), Some(etag)) = (self.shelf.clone(), self.etag.clone()) else { return };
        let (bytes, from) = (std::mem::take(self.bytes), self.kept);
        let kept = tokio::task::spawn_blocking(move || {
            let is_kept = shelf.keep(etag.as_bytes(), from, &bytes[from..]);
            (bytes, is_kept)
        });
        match kept.await {
            Ok((bytes, is_kept)) => {
                // The next one brings all of it: a hole would cost more than nothing at all.
                self.kept = if is_kept { bytes.len() } else { 0 };
                *self.bytes = bytes;
            }
            // The thread is gone with the bytes: the chunk starts anew.
            Err(_) => (self.etag, self.kept) = (None, 0),
        }
    }

    /// Where to go on, when the server can be asked for the rest of the very same content.
    fn rest(&self) -> Option<(String, HeaderValue)> {
        let etag = self.etag.clone().filter(|_| !self.bytes.is_empty())?;
        Some((format!("bytes={}-", self.bytes.len()), etag))
    }

    /// Whether this is exactly the rest that is missing.
    fn is_rest(&self, response: &Response) -> bool {
        let expected = format!("bytes {}-{}/{}", self.bytes.len(), self.len.saturating_sub(1), self.len);
        let range = response.headers().get(CONTENT_RANGE);
        let etag = response.headers().get(ETAG);
        range.is_some_and(|range| *range == expected) && etag.is_none_or(|etag| Some(etag) == self.etag.as_ref())
    }

    fn missing(&self) -> usize {
        self.len - self.bytes.len()
    }
}

impl Api {
    /// Fetches a sealed chunk, or what is missing of it.
    ///
    /// A try that breaks leaves what it brought in `arrival`, and the next one asks for the rest of the same content;
    /// any other answer than exactly that starts the chunk anew.
    pub(crate) async fn get_chunk(
        &self,
        (id, index): (TransferId, u32),
        (download, lease): (&str, Option<&str>),
        arrival: &mut Arrival<'_>,
        watch: &Watch,
    ) -> Result<(), CallError> {
        let mut request = self.client.get(self.server.chunk_url("download", id, index)).bearer_auth(download);
        request = with_lease(request, lease)?;
        let rest = arrival.rest();
        let asked_for_rest = rest.is_some();
        if let Some((range, etag)) = rest {
            request = request.header(RANGE, range).header(IF_RANGE, etag);
        }
        let mut response = match answer(request).await {
            Err(error) if asked_for_rest && is_about_the_range(&error) => {
                arrival.restart(watch);
                return Err(again("the rest of a chunk was refused"));
            }
            other => other?,
        };
        if asked_for_rest && response.status() == StatusCode::PARTIAL_CONTENT {
            if !arrival.is_rest(&response) {
                arrival.restart(watch);
                return Err(again("another part of a chunk came than was asked for"));
            }
        } else {
            arrival.restart(watch);
            arrival.etag = strong_etag(&response);
        }
        let announced = response.content_length().map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        if response.status() == StatusCode::PARTIAL_CONTENT && !asked_for_rest
            || announced.is_some_and(|len| len != arrival.missing())
        {
            return Err(other_length(index));
        }
        read_body(&mut response, index, arrival, watch).await
    }
}

async fn read_body(
    response: &mut Response,
    index: u32,
    arrival: &mut Arrival<'_>,
    watch: &Watch,
) -> Result<(), CallError> {
    let mut floor = Floor::new();
    arrival.kept_at = Instant::now();
    while let Some(piece) = floor.next(response).await? {
        if piece.len() > arrival.missing() {
            return Err(other_length(index));
        }
        arrival.bytes.extend_from_slice(&piece);
        arrival.most = arrival.most.max(arrival.bytes.len());
        watch.moved(piece.len());
        if arrival.is_due() {
            arrival.keep().await;
        }
    }
    if arrival.is_whole() { Ok(()) } else { Err(again("the answer ended early")) }
}

/// Whether the answer says no more than that the rest cannot be had.
pub(super) fn is_about_the_range(error: &CallError) -> bool {
    error.problem() == Some(ProblemType::RangeNotSatisfiable)
        || matches!(error, CallError::Foreign(_) | CallError::Legacy { status: 416, .. })
}

fn other_length(index: u32) -> CallError {
    CallError::Broken(format!("chunk {index} has another length than it must have"))
}

/// The content's name, if it stands for exactly these bytes.
fn strong_etag(response: &Response) -> Option<HeaderValue> {
    response.headers().get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

#[cfg(test)]
mod tests;
