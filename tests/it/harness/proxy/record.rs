//! What travelled through the relay, so that tests can count it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::message::Request;

/// One request and its answer, as far as they came.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    /// What arrived from the client.
    pub(crate) body: Vec<u8>,
    /// How much that was, also where the bytes themselves are dropped.
    pub(crate) body_bytes: u64,
    /// Whether all of it arrived.
    pub(crate) is_whole: bool,
    pub(crate) status: Option<u16>,
    /// What was sent to the client.
    pub(crate) answer: Vec<u8>,
    /// How much that was, also where the bytes themselves are dropped.
    pub(crate) answer_bytes: u64,
    /// Whether all of it was sent.
    pub(crate) is_answered: bool,
}

/// Every exchange of a relay, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Exchange>>>, Arc<AtomicBool>);

/// Writes into one exchange.
#[derive(Debug)]
pub(super) struct Entry {
    record: Record,
    place: usize,
}

/// One chunk of one transfer.
pub(crate) type ChunkKey = (String, u32);

impl Exchange {
    /// Transfer and index, for uploads and downloads of chunks.
    pub(crate) fn chunk(&self) -> Option<ChunkKey> {
        let (before, index) = self.request.path.rsplit_once("/chunk/")?;
        let (_, id) = before.rsplit_once('/')?;
        Some((id.to_owned(), index.parse().ok()?))
    }

    fn is(&self, method: &str) -> bool {
        self.request.method == method
    }

    /// Which bytes of its chunk travelled, either way.
    fn span(&self) -> Range<u64> {
        if self.is("PUT") {
            return 0..self.body_bytes;
        }
        let range = self.request.headers.iter().find(|(name, _)| name == "range");
        let first = range.and_then(|(_, range)| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match (self.status, first) {
            (Some(200), _) => 0..self.answer_bytes,
            (Some(206), Some(first)) => first..first + self.answer_bytes,
            _ => 0..0,
        }
    }
}

impl Record {
    pub(super) fn begin(&self, request: Request) -> Entry {
        let mut exchanges = self.0.lock().expect("not poisoned");
        exchanges.push(Exchange {
            request,
            body: Vec::new(),
            body_bytes: 0,
            is_whole: false,
            status: None,
            answer: Vec::new(),
            answer_bytes: 0,
            is_answered: false,
        });
        Entry { record: self.clone(), place: exchanges.len() - 1 }
    }

    /// From now on counts alone: bodies of gigabytes do not stay in memory.
    pub(crate) fn drop_bodies(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// How many chunks came whole although they were there.
    pub(crate) fn puts_of_stored_chunks(&self) -> usize {
        let all = self.0.lock().expect("not poisoned");
        all.iter().filter(|exchange| exchange.is("PUT") && exchange.status == Some(200)).count()
    }

    pub(crate) fn all(&self) -> Vec<Exchange> {
        self.0.lock().expect("not poisoned").clone()
    }

    /// How often each chunk's body came from the client whole.
    pub(crate) fn whole_puts(&self) -> BTreeMap<ChunkKey, usize> {
        self.count(|exchange| exchange.is("PUT") && exchange.is_whole)
    }

    /// How often each chunk went to the client whole, at once or up to its end from where an earlier answer was cut.
    pub(crate) fn whole_gets(&self) -> BTreeMap<ChunkKey, usize> {
        self.count(|exchange| exchange.is("GET") && matches!(exchange.status, Some(200 | 206)) && exchange.is_answered)
    }

    /// How often chunks travelled again, all of their bytes, in any pieces: by `PUT` to the server, by `GET` from it.
    ///
    /// A chunk whose bytes all travelled three times counts twice; one of which only the end travelled again does not.
    /// All chunks must be equally long.
    pub(crate) fn travelled_again(&self, method: &str) -> usize {
        let mut spans: BTreeMap<ChunkKey, Vec<Range<u64>>> = BTreeMap::new();
        for exchange in self.0.lock().expect("not poisoned").iter().filter(|exchange| exchange.is(method)) {
            if let Some(key) = exchange.chunk() {
                spans.entry(key).or_default().push(exchange.span());
            }
        }
        let len = spans.values().flatten().map(|span| span.end).max().unwrap_or_default();
        spans.values().map(|spans| passes(spans, len).saturating_sub(1)).sum()
    }

    /// Bytes of chunks that came from clients, and that went to them.
    pub(crate) fn chunk_bytes(&self) -> (u64, u64) {
        let all = self.0.lock().expect("not poisoned");
        let chunks = || all.iter().filter(|exchange| exchange.chunk().is_some());
        let up = chunks().filter(|exchange| exchange.is("PUT")).map(|exchange| exchange.body_bytes);
        let down = chunks().filter(|exchange| exchange.is("GET")).map(|exchange| exchange.answer_bytes);
        (up.sum(), down.sum())
    }

    fn count(&self, counts: impl Fn(&Exchange) -> bool) -> BTreeMap<ChunkKey, usize> {
        let mut chunks = BTreeMap::new();
        for key in self.0.lock().expect("not poisoned").iter().filter(|one| counts(one)).filter_map(Exchange::chunk) {
            *chunks.entry(key).or_default() += 1;
        }
        chunks
    }

    /// The create requests that have arrived whole, as JSON, in order.
    pub(crate) fn creates(&self) -> Vec<serde_json::Value> {
        let all = self.0.lock().expect("not poisoned");
        let creates = all.iter().filter(|exchange| exchange.is("POST") && exchange.request.path.ends_with("/create"));
        creates.filter_map(|exchange| serde_json::from_slice(&exchange.body).ok()).collect()
    }

    /// Asserts what must hold whatever happens: what left under one id and index was always the same bytes, also where
    /// only a part of them left.
    pub(crate) fn assert_sealed_once(&self) {
        let mut longest: BTreeMap<ChunkKey, Vec<u8>> = BTreeMap::new();
        for exchange in self.0.lock().expect("not poisoned").iter().filter(|exchange| exchange.is("PUT")) {
            let known = longest.entry(exchange.chunk().expect("only chunks are PUT")).or_default();
            let shared = known.len().min(exchange.body.len());
            assert!(known[..shared] == exchange.body[..shared], "{} was sealed twice", exchange.request.path);
            if exchange.body.len() > shared {
                known.clone_from(&exchange.body);
            }
        }
    }
}

/// How often the rarest byte below `len` is in one of the spans.
fn passes(spans: &[Range<u64>], len: u64) -> usize {
    let edges = spans.iter().flat_map(|span| [span.start, span.end]).chain([0]).filter(|edge| *edge < len);
    edges.map(|edge| spans.iter().filter(|span| span.contains(&edge)).count()).min().unwrap_or_default()
}

impl Entry {
    /// Notes a piece of the request's body.
    pub(super) fn came(&self, piece: &[u8]) {
        let keeps = !self.record.1.load(Ordering::Relaxed);
        self.write(|exchange| {
            exchange.body_bytes += piece.len() as u64;
            if keeps {
                exchange.body.extend_from_slice(piece);
            }
        });
    }

    /// Notes a piece of the answer's body.
    pub(super) fn went(&self, piece: &[u8]) {
        let keeps = !self.record.1.load(Ordering::Relaxed);
        self.write(|exchange| {
            exchange.answer_bytes += piece.len() as u64;
            if keeps {
                exchange.answer.extend_from_slice(piece);
            }
        });
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Exchange) -> T) -> T {
        change(&mut self.record.0.lock().expect("not poisoned")[self.place])
    }
}
